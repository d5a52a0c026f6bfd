/** The zip form of torch.save (since 1.6): `data.pkl`, and one record `data/<key>` for each storage. */
import { checkpointError, DAMAGED, shown } from '../fail.ts';
import type { WeightFile } from '../weight-file.ts';
import { verifyRecord, type ZipRecord } from './checksum.ts';
import { ValueFault } from './fault.ts';
import { MAX_PICKLE_BYTES, PickleEnded, readPickle } from './pickle.ts';
import { findStateDict } from './state-dict.ts';
import { storageBytes, Storages } from './storages.ts';
import type { PyTorchContents, StoredRange } from './tensors.ts';
import type { StorageNode } from './values.ts';
import { readZipDirectory } from './zip.ts';

const MAX_BYTE_ORDER_BYTES = 16;

/** The records of the one top folder of an archive, by their name below it. */
interface Archive {
  readonly file: WeightFile;
  readonly records: ReadonlyMap<string, ZipRecord>;
}

export interface ReadArchiveOptions {
  /** Reads weights whose checksums do not fit; a warning says so. */
  readonly ignoreChecksums?: boolean;
}

function layoutError(file: string, what: string): never {
  const hint = 'choose a file that torch.save wrote; it must not be packed again';
  throw checkpointError('checkpoint.archive_layout', { what, file, hint });
}

/** Programs keep code, compressed, beside their weights. */
function refuseScript(name: string, file: string): void {
  if (!/^[^/]*\/(?:constants\.pkl$|code\/)/.test(name)) return;
  throw checkpointError('checkpoint.script_archive', {
    what: 'this is a TorchScript program, not plain weights',
    file,
    hint: 'in Python, load it with torch.jit.load and save its state_dict with torch.save',
  });
}

async function openArchive(file: WeightFile): Promise<Archive> {
  const all = await readZipDirectory(file, (name) => refuseScript(name, file.path));
  const [folder = ''] = [...all.keys()].map((name) => name.slice(0, name.indexOf('/') + 1));
  const records = new Map<string, ZipRecord>();
  for (const [name, record] of all) {
    if (folder === '' || !name.startsWith(folder)) {
      layoutError(file.path, 'its records are not all in one folder');
    }
    records.set(name.slice(folder.length), record);
  }
  return { file, records };
}

/** A small record, whole, with its checksum compared. */
async function readRecord(
  { file }: Archive,
  record: ZipRecord,
  limit: number,
): Promise<Uint8Array> {
  const length = record.end - record.begin;
  if (length > limit) {
    const what = `the record "${shown(record.name)}" has ${length} bytes; the limit is ${limit}`;
    throw checkpointError('checkpoint.pickle_limit', { what, file: file.path, hint: DAMAGED });
  }
  await verifyRecord(file, record);
  const bytes = new Uint8Array(length);
  await file.readInto(bytes, record.begin);
  return bytes;
}

/** The pickle of an archive. */
async function readPickleRecord(archive: Archive): Promise<Uint8Array> {
  const record = archive.records.get('data.pkl');
  if (record === undefined) return layoutError(archive.file.path, 'it has no data.pkl');
  return readRecord(archive, record, MAX_PICKLE_BYTES);
}

/** Files before 2.1 do not say; they are little-endian on every system PyTorch is built for. */
async function isBigEndian(archive: Archive): Promise<boolean> {
  const record = archive.records.get('byteorder');
  if (record === undefined) return false;
  const text = Buffer.from(await readRecord(archive, record, MAX_BYTE_ORDER_BYTES)).toString(
    'latin1',
  );
  if (text === 'little' || text === 'big') return text === 'big';
  throw checkpointError('checkpoint.byte_order', {
    what: `its byte order is "${shown(text)}", neither "little" nor "big"`,
    file: archive.file.path,
    hint: DAMAGED,
  });
}

/** The bytes of `data.pkl` of a zip file. Throws an AppError `checkpoint.*`. */
export async function readArchivePickle(file: WeightFile): Promise<Uint8Array> {
  return readPickleRecord(await openArchive(file));
}

/** Reads a zip file up to its numbers. Throws an AppError `checkpoint.*`. */
export async function readArchive(
  file: WeightFile,
  { ignoreChecksums = false }: ReadArchiveOptions = {},
): Promise<PyTorchContents> {
  const archive = await openArchive(file);
  const bytes = await readPickleRecord(archive);
  const bigEndian = await isBigEndian(archive);
  const ranges = new Map<StorageNode, StoredRange>();
  const storages = new Storages((storage) => {
    const record = archive.records.get(`data/${storage.key}`);
    const name = `the storage "${shown(storage.key)}"`;
    if (record === undefined)
      throw new ValueFault('storage_invalid', `${name} is missing`, DAMAGED);
    const [needed, stored] = [storageBytes(storage), record.end - record.begin];
    if (needed !== stored) {
      const problem = `${name} claims ${needed} bytes, but its record has ${stored}`;
      throw new ValueFault('storage_invalid', problem, DAMAGED);
    }
    const verify = ignoreChecksums ? {} : { verify: () => verifyRecord(file, record) };
    ranges.set(storage, { begin: record.begin, ...verify });
  });
  const root = readWhole(bytes, file.path, storages);
  const stateDict = findStateDict(root, file.path);
  const warnings = ignoreChecksums ? ['The checksums of its weights were not compared.'] : [];
  return { file, format: 'PyTorch', bigEndian, stateDict, ranges, warnings };
}

function readWhole(bytes: Uint8Array, file: string, storages: Storages) {
  const invalid = (what: string): never => {
    throw checkpointError('checkpoint.pickle_invalid', { what, file, hint: DAMAGED });
  };
  try {
    const { value, end } = readPickle(bytes, 0, { file, storageOf: (id) => storages.of(id) });
    if (end !== bytes.length) invalid(`${bytes.length - end} bytes follow the end of its pickle`);
    return value;
  } catch (error) {
    if (error instanceof PickleEnded) return invalid('its pickle is cut off');
    throw error;
  }
}
