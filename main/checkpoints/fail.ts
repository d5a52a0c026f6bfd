/** How the checkpoint readers word their errors: what is wrong, in which file and tensor, what to do. */
import { AppError } from '../lib/errors.ts';
import type { ErrorCode } from '../lib/error-codes.ts';

const MAX_SHOWN = 120;
/** Control, format (bidi), surrogate, private-use and line-separator characters. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu;

function escapeText(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** A string from an untrusted file, safe to show: unprintables escaped, cut at 120 characters. */
export function shown(text: string): string {
  const escaped = escapeText(text.slice(0, MAX_SHOWN + 1));
  const whole = text.length <= MAX_SHOWN && escaped.length <= MAX_SHOWN;
  return whole ? escaped : `${escaped.slice(0, MAX_SHOWN - 1)}…`;
}

export interface CheckpointFault {
  readonly what: string;
  readonly file: string;
  readonly tensor?: string | undefined;
  readonly hint: string;
  readonly cause?: unknown;
}

/** Builds the AppError of a checkpoint fault. */
export function checkpointError(code: ErrorCode, fault: CheckpointFault): AppError {
  const file = escapeText(fault.file);
  const where = fault.tensor === undefined ? file : `tensor "${shown(fault.tensor)}" of ${file}`;
  return new AppError(code, { what: fault.what, where, hint: fault.hint, cause: fault.cause });
}

/** The AppError of a tensor name that a checkpoint of `count` tensors does not have. */
export function tensorMissing(file: string, count: number, name: string): AppError {
  return checkpointError('checkpoint.tensor_missing', {
    what: `none of its ${count} tensors is called "${shown(name)}"`,
    file,
    tensor: name,
    hint: 'choose a checkpoint of the same architecture',
  });
}

/** What to do about a file whose bytes contradict each other. */
export const DAMAGED = 'download or save the file again, and ask its author if it stays like this';
/** What to do about a file whose writer broke a rule of the format. */
export const REWRITE = 'ask the author to save it again with a current safetensors library';
