/** The backends with native TensorFlow: optional packages whose native part may be missing. */
import * as tf from '@tensorflow/tfjs-core';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Backend } from './backend.ts';

/** How packages are found and loaded; replaced in tests. */
export interface PackageLoader {
  /** Folder of an installed package; undefined when it is not installed. */
  folder(name: string): string | undefined;
  load(name: string): Promise<unknown>;
}

export const installedPackages: PackageLoader = {
  folder: (name) => {
    try {
      return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    } catch {
      return undefined;
    }
  },
  load: (name) => import(name),
};

/** The one name under which both packages register. */
const registered = 'tensorflow';

/** Starts native TensorFlow on the CUDA device. */
export async function startNativeGpu(packages: PackageLoader): Promise<Backend> {
  const backend = await startNative('@tensorflow/tfjs-node-gpu', packages);
  if (backend.device !== 'gpu') throw new Error('TensorFlow finds no CUDA device');
  return backend;
}

/** Starts native TensorFlow on the CPU; a CUDA build that found no device serves as well. */
export async function startNativeCpu(packages: PackageLoader): Promise<Backend> {
  const backend = await startNative('@tensorflow/tfjs-node', packages);
  if (backend.device !== 'cpu') throw new Error('TensorFlow computes on CUDA in this process');
  return backend;
}

async function startNative(name: string, packages: PackageLoader): Promise<Backend> {
  if (registeredBackend() === null) {
    // Looked for first, because loading the package without it takes a second and leaves traces.
    const folder = packages.folder(name);
    if (folder === undefined) throw new Error(`the optional package ${name} is not installed`);
    if (!hasNativePart(folder)) {
      throw new Error(
        `${name} lacks its native part; "npm rebuild ${name} --ignore-scripts=false" downloads it`,
      );
    }
    await packages.load(name);
  }
  const backend = registeredBackend();
  if (backend === null) throw new Error(`${name} brings its own copy of @tensorflow/tfjs-core`);
  return {
    name: registered,
    title: `TensorFlow.js ${tf.version_core}, native TensorFlow`,
    device: backend.isUsingGpuDevice === true ? 'gpu' : 'cpu',
    threads: availableParallelism(),
  };
}

function registeredBackend(): { isUsingGpuDevice?: boolean } | null {
  return tf.findBackend(registered) as object | null;
}

function hasNativePart(folder: string): boolean {
  const library = join(folder, 'lib');
  if (!existsSync(library)) return false;
  return readdirSync(library).some((build) =>
    existsSync(join(library, build, 'tfjs_binding.node')),
  );
}
