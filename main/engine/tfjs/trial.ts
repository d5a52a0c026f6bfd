/**
 * Whether native TensorFlow may be loaded here, found out in a process of its own: a library built for another
 * processor, or for another CUDA than the driver's, ends the process that loads it. A success and a crash are
 * remembered for this installation, runtime, processor and driver; what fails in words is tried again next time.
 */
import { statSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { z } from 'zod';
import { keyedCache, keyOf } from '../keyed-cache.ts';
import { nvidiaVersion } from '../nvidia.ts';
import {
  crashOf,
  endInWords,
  runProbe,
  type ProbeEnd,
  type ProbeRunner,
} from '../probe-process.ts';
import type { Installation } from './installation.ts';
import type { NativeOrder } from './native-backend.ts';
import { probeProduct, type ProbeAnswer } from './probe-answer.ts';

/** The reason against loading; undefined where nothing is against it. */
export type Trial = (order: NativeOrder, installation: Installation) => Promise<string | undefined>;

/** Of a large library on a cold disk; CUDA may compile its kernels for a new card. */
const limitMs = 180_000;

/** How the process of a trial that crashed ended, in words; null after one that went well. */
const cache = keyedCache('native-tensorflow.json', z.union([z.string(), z.null()]));

export const trialOf: Trial = (order, installation) => runTrial(order, installation, runProbe);

/** As `trialOf`, by `run`. */
export async function runTrial(
  order: NativeOrder,
  installation: Installation,
  run: ProbeRunner,
): Promise<string | undefined> {
  const key = trialKey(order, installation);
  const known = await cache.read(key);
  if (known !== undefined) {
    return known.value === null ? undefined : crashed(installation, known.value, known.at);
  }
  const end = await run({ program: 'tensorflow', args: [JSON.stringify(order)], limitMs });
  if (isCrash(end)) {
    await cache.write(key, endInWords(end));
    return crashed(installation, endInWords(end));
  }
  const reason = failureOf(end);
  if (reason === undefined) await cache.write(key, null);
  return reason;
}

function trialKey({ binding: file }: NativeOrder, installation: Installation): string {
  const { tensorflow, binding, installed, variant } = installation;
  const { node, electron } = process.versions;
  const { size, mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {};
  const machine = [cpus()[0]?.model, release(), nvidiaVersion()];
  return keyOf([tensorflow, binding, installed, variant, size, mtimeMs, node, electron, machine]);
}

/** That a process was killed says something about the moment, and not about the library. */
function isCrash(end: ProbeEnd): boolean {
  const crash = crashOf(end);
  return !end.timedOut && crash !== undefined && crash !== 'SIGKILL' && crash !== 'SIGTERM';
}

function crashed({ tensorflow }: Installation, how: string, at?: string): string {
  const when = at === undefined ? '' : ` on ${at}`;
  return `TensorFlow ${tensorflow} crashed when it was tried in a process of its own${when} (${how}), so it is not used; installing it again tries it again`;
}

function failureOf(end: ProbeEnd): string | undefined {
  if (end.timedOut) {
    return `TensorFlow did not answer within ${String(limitMs / 1000)} seconds when it was tried`;
  }
  const answer = parseAnswer(end.stdout);
  if (answer === undefined) return `TensorFlow could not be tried (${endInWords(end)})`;
  if ('failure' in answer) return loadingWords(answer.failure);
  const right = JSON.stringify(answer.product) === JSON.stringify(probeProduct);
  return right ? undefined : 'TensorFlow gives a wrong product of two small matrices here';
}

/** The library may write before the answer, which comes last. */
function parseAnswer(stdout: string): ProbeAnswer | undefined {
  try {
    return JSON.parse(stdout.slice(stdout.lastIndexOf('\n') + 1)) as ProbeAnswer;
  } catch {
    return undefined;
  }
}

/** As the loaders of Linux and macOS say it. */
const words: readonly (readonly [pattern: RegExp, words: (match: RegExpExecArray) => string])[] = [
  [/^(\S+): cannot open shared object file/, ([, file = '']) => `${file} was not found`],
  [/Library not loaded: (\S+)/, ([, file = '']) => `${file} was not found`],
  [
    /version `(\w+?)_([\d.]+)' not found/,
    ([, library = '', version = '']) =>
      `this system is too old for TensorFlow: it needs ${library} ${version}`,
  ],
  [/undefined symbol|symbol not found/i, () => 'its binding does not fit to its libraries'],
];

/** The first line of a failure, in words where it is a known one. */
function loadingWords(failure: string): string {
  for (const [pattern, say] of words) {
    const match = pattern.exec(failure);
    if (match !== null) return say(match);
  }
  return failure.split('\n')[0] ?? '';
}
