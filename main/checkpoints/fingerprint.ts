/** One hash for the weights of a checkpoint, whatever files they are stored in. */
import { createHash } from 'node:crypto';
import { throwIfCancelled } from '../lib/errors.ts';
import type { StoredCheckpoint } from './checkpoint.ts';

/** Orders names by their UTF-8 bytes, so that every machine and locale agrees. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * The sha-256 (hex) over name, dtype, shape and stored bytes of every tensor, in the byte order of
 * the names. The same weights give the same fingerprint in one file or in many, whatever the metadata.
 * `names` picks tensors: the fingerprint is then that of a checkpoint of these alone.
 * Streams: at most 16 MiB are in memory. Throws what reading throws, and CancelledError.
 */
export async function checkpointFingerprint(
  checkpoint: StoredCheckpoint,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly names?: readonly string[];
  } = {},
): Promise<string> {
  const hash = createHash('sha256');
  const { names = [...checkpoint.tensors.keys()] } = options;
  for (const name of [...names].sort(compareNames)) {
    const { dtype, shape } = checkpoint.tensors.get(name)!;
    // The byte length follows from dtype and shape, so no two checkpoints feed the same stream.
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
    for await (const chunk of checkpoint.chunks(name)) {
      throwIfCancelled(options.signal);
      hash.update(chunk);
    }
  }
  return hash.digest('hex');
}
