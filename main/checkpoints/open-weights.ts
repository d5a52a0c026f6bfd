/** Opens one weight file by what its first bytes say it is. */
import { extname } from 'node:path';
import type { StoredCheckpoint } from './checkpoint.ts';
import { checkpointError, DAMAGED } from './fail.ts';
import { openPyTorch, pyTorchForm } from './pytorch/open.ts';
import { openSafetensors } from './safetensors.ts';
import { sniffFormat } from './sniff.ts';
import { WeightFile } from './weight-file.ts';

export interface OpenOptions {
  /** The parsed `config.json` beside the weights. */
  readonly config?: unknown;
  /** The path to show, when it is not the file's. */
  readonly givenPath?: string;
  /** Reads PyTorch files whose checksums do not fit; a warning says so. */
  readonly ignoreChecksums?: boolean;
}

/** The endings PyTorch files go by. */
export const PYTORCH_ENDINGS: readonly string[] = ['.pt', '.pth', '.bin', '.ckpt'];
const FIRST_BYTES = 512;
/** Where the header of a safetensors file begins. */
const HEADER_AT = 8;

/**
 * Opens a safetensors or PyTorch file. The first bytes decide; only a file that calls itself
 * `.safetensors` is never read as anything else, since whoever made such a file means to mislead.
 * Throws an AppError `checkpoint.*`.
 */
export async function openWeights(
  path: string,
  options: OpenOptions = {},
): Promise<StoredCheckpoint> {
  const { config, givenPath = path, ignoreChecksums = false } = options;
  if (extname(path) === '.safetensors') return openSafetensors(path, config, givenPath);
  const file = await WeightFile.open(path);
  const first = new Uint8Array(Math.min(FIRST_BYTES, file.size));
  await file.readInto(first, 0);
  const form = pyTorchForm(first);
  if (form !== undefined) return openPyTorch(path, form, config, { givenPath, ignoreChecksums });
  const header = Buffer.from(first.subarray(HEADER_AT)).toString('latin1').trimStart();
  if (!PYTORCH_ENDINGS.includes(extname(path)) || header.startsWith('{')) {
    return openSafetensors(path, config, givenPath);
  }
  const guess = sniffFormat(first);
  throw checkpointError('checkpoint.wrong_format', {
    what:
      guess === undefined
        ? 'it begins neither as a PyTorch nor as a safetensors file does'
        : `this is ${guess.is}, not a PyTorch file`,
    file: path,
    hint: guess?.hint ?? DAMAGED,
  });
}
