/** The bundled benchmark as a project that belongs to the user, and may be changed. */
import { cp, stat } from 'node:fs/promises';
import { sweepStaleTemporaries, replaceFolderDurably } from '../main/lib/durable.ts';
import { places } from './places.ts';

let copying: Promise<string> | undefined;

async function copyDemo(): Promise<string> {
  const target = places.userData('Demo project');
  const present = await stat(target).catch(() => undefined);
  if (present?.isDirectory() === true) return target;
  await sweepStaleTemporaries(places.userData(''));
  await replaceFolderDurably(target, (folder) => cp(places.demo, folder, { recursive: true }));
  return target;
}

/** Its folder, copied on the first call: there completely or not at all. Throws AppError `file.*`. */
export function demoProject(): Promise<string> {
  copying ??= copyDemo().finally(() => (copying = undefined));
  return copying;
}
