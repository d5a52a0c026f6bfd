/** Which engines there are and which of them run here. */
import { AppError } from '../lib/errors.ts';
import type { Adapter, Engine, Precision, Storage } from './engine.ts';

/** What a person may ask for. */
export const engineChoices = [
  'auto',
  'onnx',
  'onnx-webgpu',
  'onnx-cuda',
  'onnx-directml',
  'onnx-coreml',
  'tfjs',
  'reference',
] as const;
export type EngineChoice = (typeof engineChoices)[number];

/** The choice of this name. Throws `engine.unknown`. */
export function engineChoice(name: string): EngineChoice {
  const known = engineChoices.find((one) => one === name);
  if (known !== undefined) return known;
  throw new AppError('engine.unknown', {
    what: `there is no engine "${name}"`,
    hint: `choose one of ${engineChoices.join(', ')}`,
  });
}

export const engineListingIds = [
  'onnx',
  'onnx-webgpu',
  'onnx-cuda',
  'onnx-directml',
  'onnx-coreml',
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
  readonly precision: Precision;
  readonly threads: number;
  readonly adapter?: Adapter;
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
  /** How frozen weights are kept: in fp32 unless it says so. */
  readonly storage?: Storage;
}

const titles: Record<EngineListingId, string> = {
  onnx: 'ONNX Runtime, CPU',
  'onnx-webgpu': 'ONNX Runtime, WebGPU',
  'onnx-cuda': 'ONNX Runtime, CUDA',
  'onnx-directml': 'ONNX Runtime, DirectML',
  'onnx-coreml': 'ONNX Runtime, Core ML',
  'tfjs-node-gpu': 'TensorFlow.js on CUDA',
  'tfjs-node': 'TensorFlow.js, native CPU',
  'tfjs-wasm': 'TensorFlow.js, WASM',
  reference: 'Reference definitions',
};

export type Attempt = { readonly engine: Engine } | { readonly reason: string };

// Every engine is imported when asked for: loading a native library takes longer than starting up.
const openers: Record<EngineListingId, (options: EngineOptions) => Promise<Engine>> = {
  onnx: async (options) => (await import('./onnx/engine.ts')).createOnnxEngine(options),
  'onnx-webgpu': (options) => openOnnx('webgpu', options),
  'onnx-cuda': (options) => openOnnx('cuda', options),
  'onnx-directml': (options) => openOnnx('directml', options),
  'onnx-coreml': (options) => openOnnx('coreml', options),
  'tfjs-node-gpu': (options) => openTfjs('tfjs-node-gpu', options),
  'tfjs-node': (options) => openTfjs('tfjs-node', options),
  'tfjs-wasm': (options) => openTfjs('tfjs-wasm', options),
  reference: async (options) => {
    refuseHalves(options);
    return (await import('./reference/engine.ts')).createReferenceEngine();
  },
};

async function openOnnx(
  provider: 'webgpu' | 'cuda' | 'directml' | 'coreml',
  options: EngineOptions,
): Promise<Engine> {
  const { probeProvider } = await import('./onnx/probe.ts');
  const outcome = await probeProvider(provider);
  if (!outcome.runs) throw new Error(outcome.reason);
  const { createOnnxEngine } = await import('./onnx/engine.ts');
  const engine = createOnnxEngine({ ...options, on: { provider, adapter: outcome.adapter } });
  if (options.storage === 'fp16') {
    await (await import('./onnx/half-trial.ts')).requireHalves(engine);
  }
  return engine;
}

async function openTfjs(
  id: 'tfjs-node-gpu' | 'tfjs-node' | 'tfjs-wasm',
  options: EngineOptions,
): Promise<Engine> {
  refuseHalves(options);
  const { startBackend } = await import('./tfjs/backends.ts');
  const attempt = await startBackend(id);
  if (!attempt.available) throw new Error(attempt.reason);
  return (await import('./tfjs/engine.ts')).createTfjsEngine(attempt);
}

/** An engine that widened fp16 weights as they arrive would save nothing. */
function refuseHalves({ storage }: EngineOptions): void {
  if (storage === 'fp16') throw new Error('it has no tensors of fp16 to store weights in');
}

/** The engine of one listing, or why it cannot be had. */
export async function attemptEngine(id: EngineListingId, options: EngineOptions): Promise<Attempt> {
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
    const attempt = await attemptEngine(id, options);
    if ('reason' in attempt) {
      listings.push({ id, title: titles[id], available: false, reason: attempt.reason });
    } else {
      listings.push({ ...attempt.engine.description, id, available: true });
    }
  }
  return listings;
}

/** The engine of one listing. Throws `engine.unavailable`. */
export async function openEngine(
  id: EngineListingId,
  options: EngineOptions = {},
): Promise<Engine> {
  const attempt = await attemptEngine(id, options);
  if ('engine' in attempt) return attempt.engine;
  throw unavailable(id, attempt.reason);
}

export function unavailable(what: string, reason: string): AppError {
  return new AppError('engine.unavailable', {
    what: `the engine ${what} cannot run here: ${reason}`,
    hint: 'choose another engine, or auto',
  });
}
