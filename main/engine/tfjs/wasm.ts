import * as tf from '@tensorflow/tfjs-core';
import { getThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { AppError } from '../../lib/errors.ts';
import type { Backend } from './backend.ts';

/** Starts TensorFlow.js's WASM backend from the files of its package. */
export async function startWasm(): Promise<Backend> {
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(`${dirname(entry)}/`);
  const started = await withoutProcessHandlers(() => tf.setBackend('wasm'));
  if (!started) throw new Error('this build of Node cannot run the WASM backend');
  refuseWhenFull();
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  return {
    name: 'wasm',
    title: `TensorFlow.js ${tf.version_core}, WASM${simd === true ? ' with SIMD' : ''}`,
    device: 'cpu',
    threads: getThreadsCount(),
  };
}

/** The WASM module hooks the process's last-resort handlers when it loads; they are taken off again. */
async function withoutProcessHandlers<T>(start: () => Promise<T>): Promise<T> {
  const emitter: Pick<NodeJS.EventEmitter, 'listeners' | 'off'> = process;
  const events = ['uncaughtException', 'unhandledRejection'];
  const before = events.map((event) => new Set(emitter.listeners(event)));
  try {
    return await start();
  } finally {
    events.forEach((event, index) => {
      for (const listener of emitter.listeners(event)) {
        if (before[index]?.has(listener) !== true) emitter.off(event, listener as () => void);
      }
    });
  }
}

interface WasmModule {
  _malloc(bytes: number): number;
  _free(address: number): void;
  readonly HEAPU8: Uint8Array;
}

/**
 * The backend does not look at what its allocator returns. When full that is 0 or, near the end of the
 * 32-bit address space, a place beyond the end of the memory; it would go on and write there.
 */
function refuseWhenFull(): void {
  const { wasm } = tf.backend() as unknown as { wasm: WasmModule };
  // The module puts its real allocator in place of a stub on the first call.
  wasm._free(wasm._malloc(1));
  const allocate = wasm._malloc.bind(wasm);
  wasm._malloc = (bytes) => {
    const address = allocate(bytes) >>> 0;
    if (address !== 0 && address + bytes <= wasm.HEAPU8.byteLength) return address;
    throw new AppError('engine.out_of_memory', {
      what: `TensorFlow.js on WASM cannot allocate ${String(bytes)} bytes more (it can address 4 GiB in all)`,
      hint: 'use the engine onnx, or a smaller batch',
    });
  };
}
