/** Bundling with esbuild, and only when a source changed since the last time. */
import { build, type BuildOptions } from 'esbuild';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The files that decide what every bundle holds, beside the sources that it holds. */
const alwaysInputs = ['build/bundles.ts', 'package.json'];

function modified(file: string): number {
  const full = path.resolve(root, file);
  return existsSync(full) ? statSync(full).mtimeMs : Infinity;
}

/** Whether `output` exists and is newer than all of `inputs`; paths are relative to the repository. */
export function isNewer(output: string, inputs: Iterable<string>): boolean {
  if (!existsSync(path.resolve(root, output))) return false;
  const built = modified(output);
  for (const file of inputs) if (modified(file) >= built) return false;
  return true;
}

/** Where the sources of a bundle are listed. */
function inputListOf(output: string): string {
  return path.join(root, output.replace(/\.\w+$/, '.inputs.json'));
}

function isFresh(output: string): boolean {
  const list = inputListOf(output);
  return existsSync(list) && isNewer(output, JSON.parse(readFileSync(list, 'utf8')) as string[]);
}

/** Bundles `entry` into `output`; `caller` is the script that holds the options. Returns whether it had to. */
export async function bundleWhenStale(
  entry: string,
  output: string,
  caller: string,
  options: BuildOptions,
): Promise<boolean> {
  if (isFresh(output)) return false;
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: output,
    bundle: true,
    sourcemap: true,
    logLevel: 'warning',
    ...options,
    metafile: true,
  });
  const inputs = [...Object.keys(result.metafile.inputs), ...alwaysInputs, caller];
  writeFileSync(inputListOf(output), JSON.stringify(inputs, null, 1));
  return true;
}

/**
 * Bundles the program of a merge's threads into `folder`: it lies beside the bundle of whatever starts them,
 * under the name that main/lib/thread-program.ts gives it.
 */
export async function bundleMergeThread(folder: string): Promise<boolean> {
  return bundleThread('main/merging/streaming/thread-entry.ts', `${folder}/merge-thread.mjs`);
}

/** The same for the threads that decode images. */
export async function bundleImageThread(folder: string): Promise<boolean> {
  return bundleThread('main/data/decoding/thread-entry.ts', `${folder}/image-thread.mjs`);
}

/** The same for the processes that try a graphics card's driver and native TensorFlow. */
export async function bundleEngineProbes(folder: string): Promise<boolean> {
  const probes = [
    await bundleThread('main/engine/onnx/probe-entry.ts', `${folder}/engine-probe.mjs`),
    await bundleThread('main/engine/tfjs/probe-entry.ts', `${folder}/tensorflow-probe.mjs`),
  ];
  return probes.includes(true);
}

async function bundleThread(entry: string, output: string): Promise<boolean> {
  return bundleWhenStale(entry, output, 'build/bundles.ts', {
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
}
