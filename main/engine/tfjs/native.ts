/**
 * The backends with native TensorFlow. Its JavaScript and the sources of its binding are in an optional package; the
 * library, and the binding built against it, are what `mergewright engines install tensorflow` put on this machine.
 * Foreign code of that size is let into this process only after a process of its own survived it.
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
import { loadNative, nativePackages, registered, type NativeBackend } from './native-backend.ts';
import { loadNodePackage, type NodePackage } from './node-package.ts';
import { trialOf, type Trial } from './trial.ts';

/** What native TensorFlow is made of here; replaced in tests. */
export interface NativeParts {
  /** Folder of an installed package; undefined when it is not installed. */
  readonly packageFolder: (name: string) => string | undefined;
  /** Where native TensorFlow is installed, if it is. */
  readonly folder: string;
  /** Why it must not be loaded into this process; undefined where it may. */
  readonly trial: Trial;
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
  trial: trialOf,
  loadPackage: loadNodePackage,
  loadBinding: (file) => createRequire(import.meta.url)(file) as unknown,
};

/** Folder of the package with the binding's sources and the kernels; undefined when npm left both out. */
export function nodePackageFolder(
  find: NativeParts['packageFolder'] = nativeParts.packageFolder,
): string | undefined {
  return nativePackages.map(find).find((folder) => folder !== undefined);
}

/** Starts native TensorFlow on the CUDA device. */
export async function startNativeGpu(parts: NativeParts): Promise<Backend> {
  const installation = readInstallation(parts.folder);
  if (installation?.variant !== 'gpu') throw new Error(notInstalled(' with CUDA', ' --gpu'));
  const backend = await startNative(parts, installation);
  if (backend.device !== 'gpu') throw new Error('TensorFlow finds no CUDA device');
  return backend;
}

/** Starts native TensorFlow on the CPU; a CUDA build that found no device serves as well. */
export async function startNativeCpu(parts: NativeParts): Promise<Backend> {
  const installation = readInstallation(parts.folder);
  if (installation === undefined) throw new Error(notInstalled());
  const backend = await startNative(parts, installation);
  if (backend.device !== 'cpu') throw new Error('TensorFlow computes on CUDA in this process');
  return backend;
}

function notInstalled(which = '', option = ''): string {
  return `native TensorFlow${which} is not installed; "mergewright engines install tensorflow${option}" installs it`;
}

/** Throws an error whose first line is fit for a person. */
async function startNative(parts: NativeParts, installation: Installation): Promise<Backend> {
  const backend = registeredBackend() ?? (await register(parts, installation));
  return {
    name: registered,
    title: `TensorFlow.js ${tf.version_core}, native TensorFlow ${installation.tensorflow}`,
    device: backend.isUsingGpuDevice === true ? 'gpu' : 'cpu',
    threads: availableParallelism(),
  };
}

/** A native library stays for the life of the process, and so does its backend. */
async function register(parts: NativeParts, installation: Installation): Promise<NativeBackend> {
  const packageFolder = nodePackageFolder(parts.packageFolder);
  if (packageFolder === undefined) {
    throw new Error(
      `the optional package ${nativePackages[0]} is not installed; npm leaves it out where it cannot be had`,
    );
  }
  const binding = join(parts.folder, bindingPath);
  const { variant } = installation;
  const order = { binding, packageFolder, variant } as const;
  const refused = await parts.trial(order, installation);
  if (refused !== undefined) throw new Error(refused);
  // Another start may have waited for the same trial.
  return registeredBackend() ?? loadNative(order, parts.loadPackage, parts.loadBinding);
}

function registeredBackend(): NativeBackend | null {
  return tf.findBackend(registered) as NativeBackend | null;
}
