/** Errors that the readers of image sets share. */
import { AppError } from '../../lib/errors.ts';

export function emptySource(where: string, hint: string): AppError {
  return new AppError('data.empty', { what: 'the image set holds no images', where, hint });
}

export function unreadableSource(where: string, cause: unknown): AppError {
  return new AppError('data.unreadable', {
    what: 'the image set cannot be read',
    where,
    hint: 'check that it is still there and that you may read it',
    cause,
  });
}
