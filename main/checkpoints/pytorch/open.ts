/** Opens a file of torch.save, in the zip form or the one before it. Nothing in it is ever executed. */
import type { StoredCheckpoint } from '../checkpoint.ts';
import { WeightFile } from '../weight-file.ts';
import { readArchive, type ReadArchiveOptions } from './archive.ts';
import { LEGACY_PREFIX, readLegacy } from './legacy.ts';
import { PyTorchCheckpoint } from './tensors.ts';

const ZIP_PREFIX = Buffer.from('PK\x03\x04', 'latin1');

/** The form of a PyTorch file by its first bytes alone; undefined when it is none. */
export function pyTorchForm(firstBytes: Uint8Array): 'zip' | 'legacy' | undefined {
  const starts = (prefix: Buffer): boolean =>
    Buffer.compare(firstBytes.subarray(0, prefix.length), prefix) === 0;
  if (starts(ZIP_PREFIX)) return 'zip';
  return starts(LEGACY_PREFIX) ? 'legacy' : undefined;
}

/**
 * Opens a file whose first bytes are of the given form. `config` and `givenPath` (the path to show) are
 * handed on as they are. Throws an AppError `checkpoint.*`.
 */
export async function openPyTorch(
  path: string,
  form: 'zip' | 'legacy',
  config?: unknown,
  { givenPath = path, ...options }: ReadArchiveOptions & { readonly givenPath?: string } = {},
): Promise<StoredCheckpoint> {
  const file = await WeightFile.open(path);
  const contents = form === 'zip' ? await readArchive(file, options) : await readLegacy(file);
  return new PyTorchCheckpoint(givenPath, config, contents);
}
