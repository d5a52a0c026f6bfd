/**
 * Installs native TensorFlow for TensorFlow.js: libraries out of wheels of the index of Python packages (Python itself
 * is not needed), and the binding built against them. Nothing is visible before all of it is there.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { forgetNativeAttempts } from '../engine/tfjs/backends.ts';
import {
  bindingPath,
  readInstallation,
  recordName,
  type Installation,
} from '../engine/tfjs/installation.ts';
import type { HubClient } from '../hub/client.ts';
import { shown } from '../hub/client.ts';
import { downloadFile } from '../hub/download.ts';
import { subjectOf } from '../hub/package-index.ts';
import { replaceFolderDurably, requireSpace, writing } from '../lib/durable.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { buildBinding } from './binding.ts';
import { downloadsFolder, isPresent, type InstallPlan } from './plan.ts';
import type { Placement } from './sources.ts';
import { unpackZip } from './unpack.ts';

export interface InstallProgress {
  readonly stage: 'download' | 'unpack' | 'build';
  /** In bytes of what is downloaded; both 0 while building. */
  readonly done: number;
  readonly total: number;
  readonly file: string;
}

export interface InstallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: InstallProgress) => void;
}

/**
 * Carries out a plan; what was installed before is replaced at the end, and stays when this fails. Throws `hub.*`,
 * `engine.*`, `file.*` and CancelledError.
 */
export async function installTensorflow(
  client: HubClient,
  plan: InstallPlan,
  { signal, onProgress = () => undefined }: InstallOptions = {},
): Promise<Installation> {
  const blobs = downloadsFolder(plan.folder);
  const archives = await downloadAll(client, plan, blobs, signal, onProgress);
  await replaceFolderDurably(
    plan.folder,
    async (temporary) => {
      await unpackAll(plan, archives, temporary, signal, onProgress);
      onProgress({ stage: 'build', done: 0, total: 0, file: basename(bindingPath) });
      await build(plan, temporary, signal);
      const record = `${JSON.stringify(await recordOf(plan), null, 2)}\n`;
      await writing(temporary, writeFile(join(temporary, recordName), record));
    },
    { signal, overwrite: true },
  );
  await rm(blobs, { recursive: true, force: true });
  forgetNativeAttempts();
  const installation = readInstallation(plan.folder);
  if (installation !== undefined) return installation;
  throw new Error(`nothing whole was installed in ${plan.folder}`);
}

/** Returns the paths of the contents, in the order of the plan. */
async function downloadAll(
  client: HubClient,
  { downloads, totalBytes: total, presentBytes }: InstallPlan,
  blobs: string,
  signal: AbortSignal | undefined,
  onProgress: (progress: InstallProgress) => void,
): Promise<readonly string[]> {
  throwIfCancelled(signal);
  await writing(blobs, mkdir(blobs, { recursive: true }));
  await requireSpace(blobs, total - presentBytes, blobs);
  let done = 0;
  const paths: string[] = [];
  for (const { name, address, bytes, sha256 } of downloads) {
    const path = join(blobs, sha256);
    const tell = (change: number): void => {
      done += change;
      onProgress({ stage: 'download', done, total, file: name });
    };
    if (isPresent(path, bytes)) {
      tell(bytes);
    } else {
      const order = {
        address,
        subject: subjectOf(client, name),
        owner: address.host,
        file: { name, size: bytes, checksum: { kind: 'sha256', hex: sha256 } },
        blobs,
      } as const;
      await downloadFile(client, order, { signal, onBytes: tell });
    }
    paths.push(path);
  }
  return paths;
}

async function unpackAll(
  { downloads, totalBytes: total }: InstallPlan,
  archives: readonly string[],
  folder: string,
  signal: AbortSignal | undefined,
  onProgress: (progress: InstallProgress) => void,
): Promise<void> {
  let before = 0;
  for (const [index, { name, bytes, placements }] of downloads.entries()) {
    let done = before;
    const onBytes = (change: number): void => {
      done += change;
      onProgress({ stage: 'unpack', done, total, file: name });
    };
    const archive = archives[index] ?? '';
    const names = await unpackZip(archive, folder, (entry) => placeOf(entry, placements), {
      signal,
      onBytes,
    });
    const missing = placements.find(({ match }) => !names.some((entry) => match.test(entry)));
    if (missing !== undefined) {
      throw new AppError('engine.archive_invalid', {
        what: `${name} has no ${missing.kind === 'library' ? 'libraries' : 'headers'} where they are looked for`,
        hint: 'report it: the layout of this package has changed',
      });
    }
    before += bytes;
  }
}

const folders = { library: 'lib', header: 'scratch/include' } as const;

function placeOf(entry: string, placements: readonly Placement[]): string | undefined {
  const placement = placements.find(({ match }) => match.test(entry));
  return placement && join(folders[placement.kind], entry.slice(placement.strip.length));
}

async function build(
  { compiler, packageFolder }: InstallPlan,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const scratch = join(folder, 'scratch');
  const order = {
    compiler,
    packageFolder,
    headers: join(folder, folders.header),
    libraries: await linkedLibraries(folder),
    scratch,
    output: join(folder, bindingPath),
  };
  await buildBinding(order, signal);
  await rm(scratch, { recursive: true });
}

/** Those of TensorFlow itself; what they need in turn they find by themselves. */
async function linkedLibraries(folder: string): Promise<readonly string[]> {
  const libraries = join(folder, 'lib', 'tensorflow');
  const names = await readdir(libraries);
  return names.filter((name) => /\.(so|dylib)/.test(name)).map((name) => join(libraries, name));
}

async function recordOf({ variant, downloads, packageFolder }: InstallPlan): Promise<Installation> {
  const text = await readFile(join(packageFolder, 'package.json'), 'utf8');
  const { name, version } = JSON.parse(text) as { readonly name: string; readonly version: string };
  return {
    format: 1,
    variant,
    tensorflow: downloads[0]?.version ?? '',
    binding: `${name} ${version}`,
    installed: new Date().toISOString(),
    sources: downloads.map(({ name: file, address, bytes, sha256 }) => ({
      name: file,
      address: shown(address),
      bytes,
      sha256,
    })),
  };
}

/** Removes what is installed and what was begun; returns how it was recorded, or undefined where nothing was. */
export async function removeTensorflow(folder: string): Promise<Installation | undefined> {
  const installation = readInstallation(folder);
  if (installation !== undefined) await writing(folder, rm(folder, { recursive: true }));
  await rm(downloadsFolder(folder), { recursive: true, force: true });
  return installation;
}
