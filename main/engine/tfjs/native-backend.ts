/** Loads native TensorFlow into this process, and makes a backend of it. */
import * as tf from '@tensorflow/tfjs-core';
import type { NativeVariant } from './installation.ts';
import type { NodePackage } from './node-package.ts';

/** The one name under which both packages register. */
export const registered = 'tensorflow';

/** Both hold the same files; which one is there does not matter. */
export const nativePackages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

export interface NativeOrder {
  /** The file of the binding. */
  readonly binding: string;
  readonly packageFolder: string;
  readonly variant: NativeVariant;
}

export interface NativeBackend {
  readonly isUsingGpuDevice?: boolean;
}

/** Throws an error whose first line says what is missing. */
export function loadNative(
  { binding, packageFolder, variant }: NativeOrder,
  loadPackage: (folder: string) => NodePackage,
  loadBinding: (file: string) => unknown,
): NativeBackend {
  quiet();
  const { NodeJSKernelBackend } = loadPackage(packageFolder);
  const name = nativePackages[variant === 'gpu' ? 0 : 1];
  const backend = new NodeJSKernelBackend(loadBinding(binding), name);
  tf.registerBackend(registered, () => backend as tf.KernelBackend, 0);
  const made = tf.findBackend(registered) as NativeBackend | null;
  if (made === null) throw new Error('TensorFlow.js does not accept the native backend');
  return made;
}

/** TensorFlow writes what it found of the processor to standard error, unless it is told not to. */
function quiet(): void {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
}
