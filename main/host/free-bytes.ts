import { statfs } from 'node:fs/promises';

/** Free on the disk of a folder; null where the system does not say. */
export async function freeBytes(folder: string): Promise<number | null> {
  const found = await statfs(folder).catch(() => undefined);
  return found === undefined ? null : found.bavail * found.bsize;
}
