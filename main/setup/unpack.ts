/** Takes single files out of a wheel, which is a zip file. */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl from 'yauzl';
import { requireSpace, writing } from '../lib/durable.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';

export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes: (bytes: number) => void;
}

const open = promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open);

/**
 * Writes the entries for which `place` has a path below `folder`; returns their names. Names that lead out of the
 * archive are refused. Throws `engine.archive_invalid`, `file.*` and CancelledError.
 */
export async function unpackZip(
  archive: string,
  folder: string,
  place: (entry: string) => string | undefined,
  { signal, onBytes }: UnpackOptions,
): Promise<readonly string[]> {
  const zip = await open(archive, { lazyEntries: true, autoClose: false }).catch(
    (cause: unknown) => {
      throw invalid(archive, cause);
    },
  );
  try {
    const wanted = await entriesOf(zip, archive, place);
    const bytes = wanted.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
    await requireSpace(folder, bytes, folder);
    for (const { entry, path } of wanted) {
      throwIfCancelled(signal);
      const target = join(folder, path);
      await writing(target, mkdir(dirname(target), { recursive: true }));
      await writeEntry(zip, entry, archive, target, signal);
      onBytes(entry.compressedSize);
    }
    return wanted.map(({ entry }) => entry.fileName);
  } finally {
    zip.close();
  }
}

interface Wanted {
  readonly entry: yauzl.Entry;
  readonly path: string;
}

async function entriesOf(
  zip: yauzl.ZipFile,
  archive: string,
  place: (entry: string) => string | undefined,
): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = [];
  await new Promise<void>((resolve, reject) => {
    zip.on('entry', (entry: yauzl.Entry) => {
      const path = entry.fileName.endsWith('/') ? undefined : place(entry.fileName);
      if (path !== undefined) wanted.push({ entry, path });
      zip.readEntry();
    });
    zip.on('end', resolve);
    zip.on('error', (cause: unknown) => {
      reject(invalid(archive, cause));
    });
    zip.readEntry();
  });
  return wanted;
}

async function writeEntry(
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  archive: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const openStream = promisify<yauzl.Entry, NodeJS.ReadableStream>(zip.openReadStream.bind(zip));
  const content = await openStream(entry).catch((cause: unknown) => {
    throw invalid(archive, cause);
  });
  const written = pipeline(content, createWriteStream(target), { ...(signal && { signal }) });
  try {
    await writing(target, written);
  } catch (error) {
    throwIfCancelled(signal);
    throw error instanceof AppError ? error : invalid(archive, error);
  }
}

function invalid(archive: string, cause: unknown): AppError {
  return new AppError('engine.archive_invalid', {
    what: `an archive cannot be unpacked (${cause instanceof Error ? cause.message : 'damaged'})`,
    where: archive,
    hint: 'try again; report it if it happens again',
    cause,
  });
}
