/** Which engines there are, which of them run here, and the choice among them. */
import { AppError } from '../lib/errors.ts';
import { measureGflops } from './benchmark.ts';
import type { Engine } from './engine.ts';

/** What a person may ask for. */
export const engineChoices = ['auto', 'onnx', 'tfjs', 'reference'] as const;
export type EngineChoice = (typeof engineChoices)[number];

export const engineListingIds = [
  'onnx',
  'tfjs-node-gpu',
  'tfjs-node',
  'tfjs-wasm',
  'reference',
] as const;
export type EngineListingId = (typeof engineListingIds)[number];

export interface AvailableEngine {
  readonly id: EngineListingId;
  readonly title: string;
  readonly available: true;
  readonly device: 'cpu' | 'gpu';
  readonly precision: 'fp32';
  readonly threads: number;
}

export interface UnavailableEngine {
  readonly id: EngineListingId;
  readonly title: string;
  readonly available: false;
  /** Why it cannot run here, in words. */
  readonly reason: string;
}

export type EngineListing = AvailableEngine | UnavailableEngine;

export interface EngineOptions {
  /** Threads within one operation, where the engine lets them be chosen. */
  readonly threads?: number;
}

/** An engine together with why it is this one: to be shown wherever the choice was not the person's. */
export interface ChosenEngine extends Engine {
  readonly reason: string;
}

const titles: Record<EngineListingId, string> = {
  onnx: 'ONNX Runtime, CPU',
  'tfjs-node-gpu': 'TensorFlow.js on CUDA',
  'tfjs-node': 'TensorFlow.js, native CPU',
  'tfjs-wasm': 'TensorFlow.js, WASM',
  reference: 'Reference definitions',
};

/** How `auto` measures each engine. */
const rounds = 3;
const secondsPerRound = 0.1;

type Attempt = { readonly engine: Engine } | { readonly reason: string };

// Every engine is imported when asked for: loading a native library takes longer than starting up.
const openers: Record<EngineListingId, (options: EngineOptions) => Promise<Engine>> = {
  onnx: async (options) => (await import('./onnx/engine.ts')).createOnnxEngine(options),
  'tfjs-node-gpu': () => openTfjs('tfjs-node-gpu'),
  'tfjs-node': () => openTfjs('tfjs-node'),
  'tfjs-wasm': () => openTfjs('tfjs-wasm'),
  reference: async () => (await import('./reference/engine.ts')).createReferenceEngine(),
};

async function openTfjs(id: 'tfjs-node-gpu' | 'tfjs-node' | 'tfjs-wasm'): Promise<Engine> {
  const { startBackend } = await import('./tfjs/backends.ts');
  const attempt = await startBackend(id);
  if (!attempt.available) throw new Error(attempt.reason);
  return (await import('./tfjs/engine.ts')).createTfjsEngine(attempt);
}

async function open(id: EngineListingId, options: EngineOptions): Promise<Attempt> {
  try {
    return { engine: await openers[id](options) };
  } catch (cause) {
    return { reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** Every engine, with what it runs on or why it cannot run on this machine. */
export async function listEngines(options: EngineOptions = {}): Promise<EngineListing[]> {
  const listings: EngineListing[] = [];
  for (const id of engineListingIds) {
    const attempt = await open(id, options);
    if ('reason' in attempt) {
      listings.push({ id, title: titles[id], available: false, reason: attempt.reason });
    } else {
      const { title, device, precision, threads } = attempt.engine.description;
      listings.push({ id, title, available: true, device, precision, threads });
    }
  }
  return listings;
}

/** The engine of one listing. */
export async function openEngine(
  id: EngineListingId,
  options: EngineOptions = {},
): Promise<Engine> {
  const attempt = await open(id, options);
  if ('engine' in attempt) return attempt.engine;
  throw unavailable(id, attempt.reason);
}

/**
 * The engine a person asked for. `auto` measures those that run here and takes the fastest; `tfjs`
 * takes its best backend. `reason` says what was passed over and why.
 */
export async function createEngine(
  choice: EngineChoice | (string & {}),
  options: EngineOptions = {},
): Promise<ChosenEngine> {
  switch (choice) {
    case 'auto':
      return fastest(['tfjs-node-gpu', 'onnx', 'tfjs-node', 'tfjs-wasm'], options);
    case 'tfjs':
      return first(['tfjs-node-gpu', 'tfjs-node', 'tfjs-wasm'], options);
    case 'onnx':
      return { ...(await openEngine('onnx', options)), reason: 'it was asked for' };
    case 'reference':
      return { ...(await openEngine('reference', options)), reason: 'it was asked for' };
    default:
      throw new AppError('engine.unknown', {
        what: `there is no engine "${choice}"`,
        hint: `choose one of ${engineChoices.join(', ')}`,
      });
  }
}

function unavailable(what: string, reason: string): AppError {
  return new AppError('engine.unavailable', {
    what: `the engine ${what} cannot run here: ${reason}`,
    hint: 'choose another engine, or auto',
  });
}

async function first(
  ids: readonly EngineListingId[],
  options: EngineOptions,
): Promise<ChosenEngine> {
  const passed: string[] = [];
  for (const id of ids) {
    const attempt = await open(id, options);
    if ('engine' in attempt) {
      const fallback = passed.length === 0 ? '' : `, as ${passed.join(' and ')}`;
      return { ...attempt.engine, reason: `${id} is the best backend that runs here${fallback}` };
    }
    passed.push(`${id} does not run (${attempt.reason})`);
  }
  throw unavailable('tfjs', passed.join('; '));
}

async function fastest(
  ids: readonly EngineListingId[],
  options: EngineOptions,
): Promise<ChosenEngine> {
  const failures: string[] = [];
  const candidates: { id: EngineListingId; engine: Engine; speed: number }[] = [];
  for (const id of ids) {
    const attempt = await open(id, options);
    if ('engine' in attempt) candidates.push({ id, engine: attempt.engine, speed: 0 });
    else failures.push(`${id} does not run (${attempt.reason})`);
  }
  // In turns, so that another program's burst of work does not fall on one engine alone.
  for (let round = 0; round < rounds && candidates.length > 1; round++) {
    for (const candidate of candidates) {
      const speed = await measureGflops(candidate.engine, { seconds: secondsPerRound });
      candidate.speed = Math.max(candidate.speed, speed);
    }
  }
  const [best] = candidates.toSorted((a, b) => b.speed - a.speed);
  if (best === undefined) throw unavailable('auto', failures.join('; '));
  const speeds = candidates.map(({ id, speed }) => `${id} ${speed.toFixed(1)} GFLOP/s`);
  const findings =
    candidates.length > 1 ? `fastest of ${speeds.join(', ')}` : 'the only one that runs';
  return { ...best.engine, reason: [findings, ...failures].join('; ') };
}
