/** Compares the stored bytes of a zip record with its checksum, which PyTorch itself does not do. */
import { crc32 } from 'node:zlib';
import { checkpointError, DAMAGED, shown } from '../fail.ts';
import type { WeightFile } from '../weight-file.ts';

export interface ZipRecord {
  readonly name: string;
  /** First byte of the data, counted from the start of the file. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
  readonly crc32: number;
}

/** Reads a record through and compares its CRC-32; throws `checkpoint.checksum_mismatch`. */
export async function verifyRecord(file: WeightFile, record: ZipRecord): Promise<void> {
  let sum = 0;
  for await (const chunk of file.chunks(record.begin, record.end)) sum = crc32(chunk, sum);
  if (sum === record.crc32) return;
  throw checkpointError('checkpoint.checksum_mismatch', {
    what: `the record "${shown(record.name)}" is damaged: its bytes do not fit its checksum`,
    file: file.path,
    hint: `${DAMAGED}; a merge takes it as it is with --fix ignore-checksums=FILE`,
  });
}
