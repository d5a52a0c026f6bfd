/** The files beside the weights: index, configuration and tokenizer, recipe, report, model card. */
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, isAbsolute } from 'node:path';
import { replaceFileDurably, writeFileDurably, writing } from '../../lib/durable.ts';
import type { CompanionFile } from '../plan.ts';
import { INDEX_FILE, shardIndex, type OutputLayout } from './output-layout.ts';
import type { ParentFile } from './parent-hashes.ts';
import { mergeCard, mergeReport, type Provenance } from './provenance.ts';
import type { Workspace } from './workspace.ts';

/** A weight file of the result. */
export type WeightFileReport = ParentFile;

/** Fills the folder up and removes the journal: afterwards nothing in it speaks of an unfinished merge. */
export async function writeCompanions(
  { folder, scratch, journal }: Workspace,
  provenance: Provenance,
  layout: OutputLayout,
  files: readonly WeightFileReport[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const write = (name: string, text: string) =>
    writeFileDurably(join(folder, name), text, { signal });
  if (layout.shards.length > 1) await write(INDEX_FILE, shardIndex(layout));
  await write('recipe.yaml', provenance.plan.recipe);
  await write('mergewright.json', mergeReport(provenance, files));
  await write('README.md', await mergeCard(provenance, files));
  for (const companion of provenance.plan.companions) {
    const path = placeOf(folder, companion);
    await writing(path, mkdir(dirname(path), { recursive: true }));
    if (companion.kind === 'text') await writeFileDurably(path, companion.text, { signal });
    else await copyFile(companion.from, path, signal);
  }
  await writing(scratch, rm(scratch, { recursive: true, force: true }));
  await writing(journal.path, rm(journal.path));
}

/** Names come from plans, which may come from elsewhere: they stay inside the folder. */
function placeOf(folder: string, { name }: CompanionFile): string {
  const path = join(folder, name);
  const inside = relative(folder, path);
  if (inside === '' || inside.startsWith('..') || isAbsolute(inside) || basename(name) === '') {
    throw new Error(`the plan puts a file at "${name}"`);
  }
  return path;
}

async function copyFile(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const { size } = await stat(from);
  await replaceFileDurably(
    to,
    async (file) => {
      for await (const chunk of createReadStream(from)) await file.write(chunk as Uint8Array);
    },
    { signal, expectedBytes: size },
  );
}
