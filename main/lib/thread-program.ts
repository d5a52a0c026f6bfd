/** Where the program of a thread or of a process lies: a bundle beside the one that runs, or the source itself. */
import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from 'node:worker_threads';

export interface ThreadProgram {
  readonly file: URL;
  readonly options: WorkerOptions;
}

/** The programs: how the build names their bundles, and their sources under main/. */
const programs = {
  merge: { bundle: './merge-thread.mjs', source: '../merging/streaming/thread-entry.ts' },
  images: { bundle: './image-thread.mjs', source: '../data/decoding/thread-entry.ts' },
  probe: { bundle: './engine-probe.mjs', source: '../engine/onnx/probe-entry.ts' },
  tensorflow: { bundle: './tensorflow-probe.mjs', source: '../engine/tfjs/probe-entry.ts' },
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
  return { file: starter(), options: { workerData: { data, module }, execArgv: [] } };
}

/** The arguments with which Node runs it as a process; those of the program follow them. */
export function childProgram(name: keyof typeof programs): readonly string[] {
  const { bundle, source } = programs[name];
  if (!fromSource) return [fileURLToPath(new URL(bundle, import.meta.url))];
  return [fileURLToPath(starter()), new URL(source, import.meta.url).href];
}

function starter(): URL {
  return new URL('../../build/source-worker.mjs', import.meta.url);
}
