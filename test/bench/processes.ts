/** Programs that are watched while they run, and the one that merges as the product does. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleMergeThread, bundleWhenStale, root } from '../../build/bundles.ts';

export interface Measured {
  readonly seconds: number;
  /** Of all threads, user and system. */
  readonly processor: number;
  readonly peakBytes: number;
}

const TICKS_PER_SECOND = 100;

/** Processor seconds and anonymous memory of a process that is running; undefined when it is gone. */
function look(pid: number): { processor: number; bytes: number } | undefined {
  try {
    const kilobytes = /RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const processor = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    return { processor, bytes: Number(kilobytes ?? 0) * 1024 };
  } catch {
    return undefined;
  }
}

/** Runs a program to its end and watches it. */
export async function measure(
  program: string,
  words: string[],
  threads: number,
): Promise<Measured> {
  const begun = performance.now();
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) },
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += String(text)));
  child.stderr.on('data', (text: Buffer) => (output += String(text)));
  let [peakBytes, processor] = [0, 0];
  const watch = setInterval(() => {
    const seen = look(child.pid ?? 0);
    if (seen === undefined) return;
    peakBytes = Math.max(peakBytes, seen.bytes);
    processor = Math.max(processor, seen.processor);
  }, 20);
  const code = await new Promise((done) => child.on('close', done));
  clearInterval(watch);
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}:\n${output.slice(-3000)}`);
  return { seconds: (performance.now() - begun) / 1000, processor, peakBytes };
}

/** Bundles `test/support/merge-child.ts`, and beside it the program of its threads; returns its path. */
export async function mergeChild(): Promise<string> {
  const program = '.cache/bench/merge-child.mjs';
  await bundleMergeThread('.cache/bench');
  await bundleWhenStale('test/support/merge-child.ts', program, 'test/bench/processes.ts', {
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  return join(root, program);
}
