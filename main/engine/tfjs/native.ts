/**
 * The backends with native TensorFlow. Its JavaScript and the sources of its binding are in an optional package; the
 * library, and the binding built against it, are what `mergewright engines install tensorflow` put on this machine.
 */
import * as tf from '@tensorflow/tfjs-core';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Backend } from './backend.ts';
import {
  bindingPath,
  readInstallation,
  tensorflowFolder,
  type Installation,
} from './installation.ts';
import { loadNodePackage, type NodePackage } from './node-package.ts';

/** What native TensorFlow is made of here; replaced in tests. */
export interface NativeParts {
  /** Folder of an installed package; undefined when it is not installed. */
  readonly packageFolder: (name: string) => string | undefined;
  /** Where native TensorFlow is installed, if it is. */
  readonly folder: string;
  readonly loadPackage: (folder: string) => NodePackage;
  readonly loadBinding: (file: string) => unknown;
}

export const nativeParts: NativeParts = {
  packageFolder: (name) => {
    try {
      return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    } catch {
      return undefined;
    }
  },
  folder: tensorflowFolder(),
  loadPackage: loadNodePackage,
  loadBinding: (file) => createRequire(import.meta.url)(file) as unknown,
};

/** The one name under which both packages register. */
const registered = 'tensorflow';

/** Both hold the same files; which one is there does not matter. */
const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** Folder of the package with the binding's sources and the kernels; undefined when npm left both out. */
export function nodePackageFolder(
  find: NativeParts['packageFolder'] = nativeParts.packageFolder,
): string | undefined {
  return packages.map(find).find((folder) => folder !== undefined);
}

/** Starts native TensorFlow on the CUDA device. */
export function startNativeGpu(parts: NativeParts): Backend {
  const installation = readInstallation(parts.folder);
  if (installation?.variant !== 'gpu') throw new Error(notInstalled(' with CUDA', ' --gpu'));
  const backend = startNative(parts, installation);
  if (backend.device !== 'gpu') throw new Error('TensorFlow finds no CUDA device');
  return backend;
}

/** Starts native TensorFlow on the CPU; a CUDA build that found no device serves as well. */
export function startNativeCpu(parts: NativeParts): Backend {
  const installation = readInstallation(parts.folder);
  if (installation === undefined) throw new Error(notInstalled());
  const backend = startNative(parts, installation);
  if (backend.device !== 'cpu') throw new Error('TensorFlow computes on CUDA in this process');
  return backend;
}

function notInstalled(which = '', option = ''): string {
  return `native TensorFlow${which} is not installed; "mergewright engines install tensorflow${option}" installs it`;
}

/** Throws an error whose first line is fit for a person. */
function startNative(parts: NativeParts, installation: Installation): Backend {
  const backend = registeredBackend() ?? register(parts, installation);
  return {
    name: registered,
    title: `TensorFlow.js ${tf.version_core}, native TensorFlow ${installation.tensorflow}`,
    device: backend.isUsingGpuDevice === true ? 'gpu' : 'cpu',
    threads: availableParallelism(),
  };
}

interface NativeBackend {
  readonly isUsingGpuDevice?: boolean;
}

/** A native library stays for the life of the process, and so does its backend. */
function register(parts: NativeParts, { variant }: Installation): NativeBackend {
  const folder = nodePackageFolder(parts.packageFolder);
  if (folder === undefined) {
    throw new Error(
      `the optional package ${packages[0]} is not installed; npm leaves it out where it cannot be had`,
    );
  }
  quiet();
  const { NodeJSKernelBackend } = parts.loadPackage(folder);
  const binding = parts.loadBinding(join(parts.folder, bindingPath));
  const backend = new NodeJSKernelBackend(binding, packages[variant === 'gpu' ? 0 : 1]);
  tf.registerBackend(registered, () => backend as tf.KernelBackend, 0);
  const made = registeredBackend();
  if (made === null) throw new Error('TensorFlow.js does not accept the native backend');
  return made;
}

/** TensorFlow writes what it found of the processor to standard error, unless it is told not to. */
function quiet(): void {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
}

function registeredBackend(): NativeBackend | null {
  return tf.findBackend(registered) as NativeBackend | null;
}
