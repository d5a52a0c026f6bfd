/** What installing native TensorFlow takes on this machine: asked of the index, and shown before anything is fetched. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { NativeVariant } from '../engine/tfjs/installation.ts';
import { nodePackageFolder } from '../engine/tfjs/native.ts';
import type { HubClient } from '../hub/client.ts';
import { listIndexFiles, remoteSize, subjectOf } from '../hub/package-index.ts';
import { partialBytes } from '../hub/partial.ts';
import { AppError } from '../lib/errors.ts';
import { findCompiler } from './binding.ts';
import { wheelNeeds, type Placement, type WheelNeed } from './sources.ts';
import { chooseWheel, thisMachine, type Machine } from './wheels.ts';

export interface Download {
  readonly name: string;
  readonly version: string;
  readonly address: URL;
  readonly bytes: number;
  readonly sha256: string;
  readonly placements: readonly Placement[];
}

/** What an installation takes. */
export interface InstallPlan {
  readonly variant: NativeVariant;
  readonly folder: string;
  readonly downloads: readonly Download[];
  readonly totalBytes: number;
  /** Left by an attempt that broke off, or not removed yet. */
  readonly presentBytes: number;
  readonly compiler: string;
  /** Brings the sources of the binding. */
  readonly packageFolder: string;
}

interface PlanOptions {
  readonly variant: NativeVariant;
  /** Where it comes to lie. */
  readonly folder: string;
  readonly needs?: readonly WheelNeed[];
  readonly machine?: Machine;
  readonly packageFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Asks the index what there is. Throws `engine.*` for what is missing on this machine, and `hub.*`. */
export async function planTensorflow(
  client: HubClient,
  options: PlanOptions,
): Promise<InstallPlan> {
  const { variant, folder, signal, machine = thisMachine() } = options;
  const { packageFolder = nodePackageFolder() } = options;
  const needs = options.needs ?? needsOf(variant, machine);
  if (packageFolder === undefined) throw packageMissing();
  const compiler = await findCompiler();
  const downloads: Download[] = [];
  for (const need of needs) downloads.push(await resolve(client, need, machine, signal));
  const blobs = downloadsFolder(folder);
  const present = await Promise.all(
    downloads.map(async ({ sha256, bytes }) =>
      isPresent(join(blobs, sha256), bytes) ? bytes : partialBytes(blobs, sha256),
    ),
  );
  return {
    variant,
    folder,
    downloads,
    totalBytes: sum(downloads.map(({ bytes }) => bytes)),
    presentBytes: sum(present),
    compiler,
    packageFolder,
  };
}

function needsOf(
  variant: NativeVariant,
  { platform, architecture }: Machine,
): readonly WheelNeed[] {
  const needs = wheelNeeds[`${platform}-${architecture}-${variant}`];
  if (needs !== undefined) return needs;
  throw new AppError('engine.install_unsupported', {
    what: `there is no ${variant === 'gpu' ? 'CUDA build of ' : ''}TensorFlow to install for ${platform} on ${architecture}`,
    hint: 'use the engine onnx, which runs here',
  });
}

function packageMissing(): AppError {
  return new AppError('engine.install_unsupported', {
    what: 'the sources of the binding to TensorFlow are not here: npm left out the optional package @tensorflow/tfjs-node-gpu',
    hint: 'install the packages again with the registry in reach, without --omit=optional',
  });
}

async function resolve(
  client: HubClient,
  need: WheelNeed,
  machine: Machine,
  signal: AbortSignal | undefined,
): Promise<Download> {
  const { project, placements, version: wanted } = need;
  const files = await listIndexFiles(client, project, signal);
  const wheel = chooseWheel(files, need, machine);
  if (wheel === undefined) {
    const { platform, architecture, glibc } = machine;
    const versions = typeof wanted === 'string' ? wanted : `from ${wanted.atLeast} on`;
    const system = `${platform} on ${architecture}${platform === 'linux' ? `, ${glibc === undefined ? 'without the GNU C library' : `C library ${glibc}`}` : ''}`;
    throw new AppError('engine.install_unsupported', {
      what: `the index has no wheel of ${project} ${versions} for ${system}`,
      where: client.settings.endpoint.host,
      hint: 'use the engine onnx, or another index',
    });
  }
  const { file, version } = wheel;
  const subject = subjectOf(client, file.name);
  const bytes = file.size ?? (await remoteSize(client, file.address, subject, signal));
  const { name, address, sha256 } = file;
  return { name, version, address, bytes, sha256, placements };
}

/** Beside the installation, so that a download that broke off can be gone on with. */
export function downloadsFolder(folder: string): string {
  return `${folder}-downloads`;
}

/** Whether a content, which took its name when it was checked, is there. */
export function isPresent(path: string, bytes: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.size === bytes;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
