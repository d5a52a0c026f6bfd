/** Where the program of a thread lies: a bundle beside the one that runs, or the source itself. */
import type { WorkerOptions } from 'node:worker_threads';

export interface ThreadProgram {
  readonly file: URL;
  readonly options: WorkerOptions;
}

/** How the build names the bundle of `thread-entry.ts`. */
const BUNDLE = './merge-thread.mjs';

const fromSource = import.meta.url.endsWith('.ts');

/** For a thread that is given `data`. */
export function threadProgram(data: unknown): ThreadProgram {
  if (!fromSource) {
    return {
      file: new URL(BUNDLE, import.meta.url),
      options: { workerData: { data }, execArgv: [] },
    };
  }
  const module = new URL('./thread-entry.ts', import.meta.url).href;
  const file = new URL('../../../build/source-worker.mjs', import.meta.url);
  return { file, options: { workerData: { data, module }, execArgv: [] } };
}
