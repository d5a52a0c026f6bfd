/** Reading small text files of our own. */
import { readFile } from 'node:fs/promises';
import { errnoOf } from './durable-file.ts';
import { AppError } from './errors.ts';

/** The text of a UTF-8 file. Throws AppError `file.read_failed`. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw readError(error, path);
  }
}

/** Turns a failed system call into `file.read_failed`; others pass through. */
export function readError(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (error instanceof AppError || errno === '') return error;
  return new AppError('file.read_failed', {
    what: `the file cannot be read (${errno})`,
    where: path,
    hint: 'check that it exists and may be read, and the disk it lies on',
    cause: error,
  });
}
