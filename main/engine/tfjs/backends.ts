/** Starts TensorFlow.js's backends, and says why one cannot be had. */
import * as tf from '@tensorflow/tfjs-core';
import type { Backend } from './backend.ts';
import { nativeParts, startNativeCpu, startNativeGpu, type NativeParts } from './native.ts';
import { startWasm } from './wasm.ts';

export type BackendId = 'tfjs-node-gpu' | 'tfjs-node' | 'tfjs-wasm';

export type Attempt =
  ({ readonly available: true } & Backend) | { readonly available: false; readonly reason: string };

const starts: Record<BackendId, (parts: NativeParts) => Backend | Promise<Backend>> = {
  'tfjs-node-gpu': startNativeGpu,
  'tfjs-node': startNativeCpu,
  'tfjs-wasm': startWasm,
};

const attempts = new Map<BackendId, Promise<Attempt>>();

/** Starts a backend, once per process; a failure is kept in words. */
export function startBackend(id: BackendId): Promise<Attempt> {
  const known = attempts.get(id);
  if (known !== undefined) return known;
  const attempt = attemptStart(id, nativeParts);
  attempts.set(id, attempt);
  return attempt;
}

/** Makes `startBackend` look again for what was missing, as after an installation. */
export function forgetNativeAttempts(): void {
  attempts.delete('tfjs-node-gpu');
  attempts.delete('tfjs-node');
}

/** Starts a backend from the given parts. */
export async function attemptStart(id: BackendId, parts: NativeParts): Promise<Attempt> {
  // Without its advice on the console.
  tf.enableProdMode();
  try {
    return { available: true, ...(await starts[id](parts)) };
  } catch (cause) {
    const [line = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    return { available: false, reason: line };
  }
}
