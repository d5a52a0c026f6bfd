/** What ONNX Runtime and its providers throw while they compute, as errors a person can act on. */
import { AppError } from '../../lib/errors.ts';

/** Each as its source words it: Dawn (WebGPU), CUDA and its arena, Direct3D, Core ML, and the arena of the processor. */
const memory =
  /OUT_OF_DEVICE_MEMORY|Invalid Buffer|max buffer size limit|out of memory|CUDA failure 2\b|cudaErrorMemoryAllocation|Failed to allocate memory|E_OUTOFMEMORY|8007000E|bad_alloc/i;
const lost =
  /device (?:is|was|has been) lost|DEVICE_LOST|Invalid Device|DEVICE_REMOVED|DEVICE_HUNG|887A000[567]|unspecified launch failure|illegal memory access|CUDA failure (?:4|46|700|719|999)\b/i;

/** `error` as `engine.out_of_memory` or `engine.device_lost`, or as it is. */
export function computeFailure(error: unknown, title: string): unknown {
  const message = error instanceof Error ? error.message : String(error);
  if (lost.test(message)) {
    return new AppError('engine.device_lost', {
      what: `${title} stopped answering: the graphics card or its driver gave up`,
      hint: 'go on with the run, which takes up at the last saved step; if it happens again, choose another engine',
    });
  }
  if (memory.test(message)) {
    return new AppError('engine.out_of_memory', {
      what: `${title} has too little memory for this program`,
      hint: 'use a smaller batch, or the engine onnx, which computes in the main memory',
    });
  }
  return error;
}
