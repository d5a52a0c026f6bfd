/** Where the program of a thread lies: a bundle beside the one that runs, or the source itself. */
import type { WorkerOptions } from 'node:worker_threads';

export interface ThreadProgram {
  readonly file: URL;
  readonly options: WorkerOptions;
}

/** The programs of threads: how the build names their bundles, and their sources under main/. */
const programs = {
  merge: { bundle: './merge-thread.mjs', source: '../merging/streaming/thread-entry.ts' },
  images: { bundle: './image-thread.mjs', source: '../data/decoding/thread-entry.ts' },
} as const;

const fromSource = import.meta.url.endsWith('.ts');

/** For a thread that is given `data`. */
export function threadProgram(name: keyof typeof programs, data: unknown): ThreadProgram {
  const { bundle, source } = programs[name];
  if (!fromSource) {
    return {
      file: new URL(bundle, import.meta.url),
      options: { workerData: { data }, execArgv: [] },
    };
  }
  const module = new URL(source, import.meta.url).href;
  const file = new URL('../../build/source-worker.mjs', import.meta.url);
  return { file, options: { workerData: { data, module }, execArgv: [] } };
}
