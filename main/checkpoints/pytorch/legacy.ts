/**
 * The form of torch.save before 1.6 (and of `_use_new_zipfile_serialization=False`): five pickles end to
 * end (magic number, protocol, system, object, storage keys), then for each key its element count and bytes.
 */
import { checkpointError, DAMAGED } from '../fail.ts';
import type { WeightFile } from '../weight-file.ts';
import { MAX_PICKLE_BYTES, PickleEnded, readPickle } from './pickle.ts';
import { findStateDict } from './state-dict.ts';
import { storageBytes, Storages } from './storages.ts';
import type { PyTorchContents, StoredRange } from './tensors.ts';
import { asKind, type StorageNode, type Value } from './values.ts';

/** The pickle of the magic number 0x1950a86a20f9469cfc6c. */
export const LEGACY_PREFIX = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
const PROTOCOL = 1001;
const FIRST_LOOK_BYTES = 256 * 1024;
const COUNT_BYTES = 8;

interface LegacyHead {
  readonly object: Value;
  readonly keys: readonly Value[];
  readonly storages: Storages;
  /** Where the storages begin. */
  readonly dataBegin: number;
}

function fail(
  code: 'legacy_invalid' | 'byte_order' | 'truncated' | 'trailing_bytes',
  what: string,
  file: string,
): never {
  throw checkpointError(`checkpoint.${code}`, { what, file, hint: DAMAGED });
}

/** The five pickles, from the first bytes of the file. */
function readHead(bytes: Uint8Array, file: string): LegacyHead {
  const storages = new Storages(() => undefined);
  let position = LEGACY_PREFIX.length;
  const next = (): Value => {
    const source = { file, storageOf: storages.of.bind(storages) };
    const { value, end } = readPickle(bytes, position, source);
    position = end;
    return value;
  };
  if (next() !== PROTOCOL) fail('legacy_invalid', `its protocol is not ${PROTOCOL}`, file);
  const system = asKind(next(), 'dict')?.entries;
  if (system?.get('protocol_version') !== PROTOCOL) {
    fail('legacy_invalid', 'the description of the system that wrote it is damaged', file);
  }
  if (system.get('little_endian') !== true) {
    fail('byte_order', 'it was written on a big-endian system, or does not say on which', file);
  }
  const object = next();
  const keys = asKind(next(), 'list')?.items;
  if (keys === undefined)
    return fail('legacy_invalid', 'the list of its storages is missing', file);
  return { object, keys, storages, dataBegin: position };
}

/** The pickles have no length, so more and more of the file is looked at until they are complete. */
async function readGrowing(file: WeightFile): Promise<LegacyHead> {
  for (let length = FIRST_LOOK_BYTES; ; length *= 4) {
    const bytes = new Uint8Array(Math.min(length, file.size, MAX_PICKLE_BYTES));
    await file.readInto(bytes, 0);
    try {
      return readHead(bytes, file.path);
    } catch (error) {
      if (!(error instanceof PickleEnded)) throw error;
    }
    const whole = bytes.length === file.size;
    if (!whole && bytes.length < MAX_PICKLE_BYTES) continue;
    const what = whole ? 'the file ends inside its pickle' : 'its pickle is larger than any needs';
    const code = whole ? 'checkpoint.pickle_invalid' : 'checkpoint.pickle_limit';
    throw checkpointError(code, { what, file: file.path, hint: DAMAGED });
  }
}

/** Where each storage lies; the keys must be those the object uses, and the bytes must end the file. */
async function readRanges(
  file: WeightFile,
  head: LegacyHead,
): Promise<Map<StorageNode, StoredRange>> {
  const ranges = new Map<StorageNode, StoredRange>();
  let position = head.dataBegin;
  await file.session(async (readInto) => {
    for (const key of head.keys) {
      const storage = typeof key === 'string' ? head.storages.byKey.get(key) : undefined;
      if (storage === undefined || ranges.has(storage)) {
        fail('legacy_invalid', 'its list of storages is not that of its tensors', file.path);
      }
      const begin = position + COUNT_BYTES;
      const end = begin + storageBytes(storage);
      if (end > file.size) fail('truncated', 'the file is cut off inside its storages', file.path);
      const count = Buffer.alloc(COUNT_BYTES);
      await readInto(count, position);
      if (count.readBigUInt64LE() !== BigInt(storage.count)) {
        fail('legacy_invalid', 'a storage has another length than its tensors say', file.path);
      }
      ranges.set(storage, { begin });
      position = end;
    }
  });
  if (ranges.size !== head.storages.byKey.size) {
    fail('legacy_invalid', 'its list of storages is not that of its tensors', file.path);
  }
  if (position !== file.size) {
    const what = `${file.size - position} bytes after the last storage belong to nothing`;
    fail('trailing_bytes', what, file.path);
  }
  return ranges;
}

/** Reads a legacy file up to its numbers. Throws an AppError `checkpoint.*`. */
export async function readLegacy(file: WeightFile): Promise<PyTorchContents> {
  const head = await readGrowing(file);
  const ranges = await readRanges(file, head);
  const stateDict = findStateDict(head.object, file.path);
  const format = 'PyTorch (form before 1.6)';
  return { file, format, bigEndian: false, stateDict, ranges, warnings: [] };
}
