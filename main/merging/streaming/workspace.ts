/**
 * The folder a merge grows in, beside its final place. A killed merge leaves it behind; the next one to
 * the same place goes on in it when it is the same merge, and removes it otherwise.
 */
import { mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  abandonedMerges,
  atFinalPlace,
  releaseTemporary,
  requireSpace,
  sweepStaleTemporaries,
  temporaryName,
  writing,
} from '../../lib/durable.ts';
import { Journal, type JournalState } from './journal.ts';

export interface Workspace {
  readonly folder: string;
  /** For what only lives while the merge goes on. */
  readonly scratch: string;
  readonly journal: Journal;
  /** What an earlier merge has done; undefined for a new folder. */
  readonly earlier: JournalState | undefined;
}

/** `place` is where the folder will be, `resume` whether earlier work may be used. */
export async function openWorkspace(
  place: string,
  identity: string,
  resume: boolean,
): Promise<Workspace> {
  const parent = dirname(place);
  const head = { target: basename(place), identity };
  const folder = join(parent, temporaryName('merge'));
  let adopted = false;
  for (const left of await writing(place, abandonedMerges(parent))) {
    const found = Journal.open(left);
    // Of another merge, which may go on; without a journal nobody can.
    if (found !== undefined && found.state.head.target !== head.target) continue;
    const same = resume && !adopted && found?.state.head.identity === identity;
    if (!same) await writing(place, rm(left, { recursive: true, force: true }));
    // Whoever renames it first has it: the new name carries the process it belongs to.
    else
      adopted = await rename(left, folder).then(
        () => true,
        () => false,
      );
  }
  const scratch = join(folder, 'scratch');
  const earlier = adopted ? Journal.open(folder) : undefined;
  if (earlier !== undefined) {
    await writing(place, rm(scratch, { recursive: true, force: true }));
    await sweepStaleTemporaries(folder);
    return { folder, scratch, journal: earlier.journal, earlier: earlier.state };
  }
  await writing(place, mkdir(folder, { recursive: adopted }));
  try {
    return { folder, scratch, journal: Journal.create(folder, head), earlier: undefined };
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    throw atFinalPlace(error, folder, place);
  }
}

/** Makes the weight files at their full size, where they are not there yet; throws `file.disk_full`. */
export async function allocateFiles(
  { folder, earlier }: Workspace,
  files: readonly { readonly name: string; readonly byteLength: number }[],
  place: string,
): Promise<void> {
  if (earlier === undefined) {
    const bytes = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
    await requireSpace(folder, bytes, place);
  }
  for (const { name, byteLength } of files) {
    const path = join(folder, name);
    await writing(place, writeFile(path, '', { flag: 'a' }));
    await writing(place, truncate(path, byteLength));
  }
}

export async function discardWorkspace({ folder }: Workspace): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => undefined);
}

/** Leaves the folder to the next merge. */
export function keepWorkspace({ folder }: Workspace): void {
  releaseTemporary(folder);
}
