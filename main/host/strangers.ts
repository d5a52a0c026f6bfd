/** What is no checkpoint, and does not even pass for one by its name: a picture, a text. */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { AppError } from '../lib/errors.ts';

const weightNames = /\.(?:safetensors|json|bin|pt|pth|ckpt)$/i;

/** The error of opening `path` as a checkpoint; for a stranger one that says so, rather than what its first bytes lack. */
export async function strangerError(error: unknown, path: string): Promise<unknown> {
  if (!(error instanceof AppError) || error.code === 'checkpoint.wrong_format') return error;
  const isFile = (await stat(path).catch(() => undefined))?.isFile() === true;
  if (!isFile || extname(path) === '' || weightNames.test(path)) return error;
  return new AppError('checkpoint.wrong_format', {
    what: `"${basename(path)}" is no checkpoint`,
    where: path,
    hint: 'add the folder of a model, or a file with weights such as .safetensors',
    cause: error,
  });
}
