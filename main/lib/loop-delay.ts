/** How long the event loop of this process kept callbacks waiting: what a person feels as a frozen window. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two looks; the histogram counts them as delay, so they are taken off again. */
const RESOLUTION_MS = 10;

export interface LoopDelay {
  /** 99th percentile in milliseconds and number of looks since the last reading. */
  read(): { readonly p99: number; readonly samples: number };
}

/** Starts measuring this process. */
export function measureLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return {
    read() {
      const samples = histogram.count;
      const p99 = samples === 0 ? 0 : Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS);
      histogram.reset();
      return { p99, samples };
    },
  };
}
