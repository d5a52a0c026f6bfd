/** What a person writes about a run: notes.json beside run.json, never read by a run itself. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeJson } from './project.ts';
import type { RunFolder } from './run-folder.ts';

const notesSchema = z.strictObject({
  schema: z.literal(1),
  note: z.string(),
  starred: z.boolean(),
});
export type RunNotes = Omit<z.output<typeof notesSchema>, 'schema'>;

const none: RunNotes = { note: '', starred: false };

/** Notes that cannot be read count as none: a run is not worth less for them. */
export async function readNotes(run: RunFolder): Promise<RunNotes> {
  const path = notesPath(run);
  if (!existsSync(path)) return none;
  try {
    const { note, starred } = notesSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return { note, starred };
  } catch {
    return none;
  }
}

export async function writeNotes(run: RunFolder, change: Partial<RunNotes>): Promise<void> {
  await writeJson(notesPath(run), { schema: 1, ...(await readNotes(run)), ...change });
}

function notesPath({ folder }: RunFolder): string {
  return join(folder, 'notes.json');
}
