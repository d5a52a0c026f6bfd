/**
 * A WebGPU device and the shaders compiled for it go with the last session on it, and a run makes and ends sessions
 * all the time. One small session per process that is never released keeps them: without it each session compiles
 * anew, seconds on a fast card too.
 */
import * as ort from 'onnxruntime-node';
import { probeModel } from './probe-model.ts';
import type { GpuProvider } from './providers.ts';

let keeper: Promise<ort.InferenceSession> | undefined;

/** Keeps the device of `options` from now on. */
export async function keepDevice(
  provider: GpuProvider | undefined,
  options: ort.InferenceSession.SessionOptions,
): Promise<void> {
  if (provider !== 'webgpu') return;
  keeper ??= ort.InferenceSession.create(probeModel(), options);
  // A device that cannot be made says so to the session that needs it.
  await keeper.catch(() => (keeper = undefined));
}

/**
 * Lets the device go with the last session on it. The runtime keeps the buffers of a device for later programs, so one whose
 * memory is full stays full for smaller programs too.
 */
export async function letDeviceGo(): Promise<void> {
  const kept = keeper;
  keeper = undefined;
  const session = await kept?.catch(() => undefined);
  await session?.release();
}
