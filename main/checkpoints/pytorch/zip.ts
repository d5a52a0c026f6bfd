/**
 * The directory of a zip file as torch.save writes it: records stored as they are, one after another,
 * nothing before, between or behind them. Stricter than unpackers, so that no two readers can see two
 * different archives in the same bytes. Names are looked up, never used as paths.
 * Format: PKWARE APPNOTE 6.3, sections 4.3 to 4.5.
 */
import { checkpointError, DAMAGED, shown } from '../fail.ts';
import type { WeightFile } from '../weight-file.ts';
import type { ZipRecord } from './checksum.ts';

interface DirectoryEntry {
  readonly name: string;
  readonly flags: number;
  readonly crc32: number;
  readonly size: number;
  readonly localOffset: number;
  readonly nameBytes: Buffer;
}

const LOCAL = 0x04034b50;
const DESCRIPTOR = 0x08074b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR64_BYTES = 20;
const ZIP64_EXTRA = 1;
const NONE32 = 0xffffffff;

const ENCRYPTED = 0x2041;
const SIZES_FOLLOW = 0x0008;
/** Sizes after the data, UTF-8 names, and two bits that mean nothing for stored records. */
const KNOWN_FLAGS = 0x080e;

const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
const MAX_RECORDS = 200_000;

const FAILED = { zip_invalid: DAMAGED, zip_unsupported: 'save it again with torch.save' } as const;

class ZipDirectory {
  readonly #file: WeightFile;
  readonly #checkName: (name: string) => void;

  constructor(file: WeightFile, checkName: (name: string) => void) {
    this.#file = file;
    this.#checkName = checkName;
  }

  #fail(code: keyof typeof FAILED, what: string): never {
    const fault = { what, file: this.#file.path, hint: FAILED[code] };
    throw checkpointError(`checkpoint.${code}`, fault);
  }

  /** A 64-bit number that must lie inside the file. */
  #inFile(bytes: Buffer, at: number, what: string): number {
    const value = bytes.readBigUInt64LE(at);
    if (value > BigInt(this.#file.size)) this.#fail('zip_invalid', `${what} lies outside the file`);
    return Number(value);
  }

  async read(): Promise<ReadonlyMap<string, ZipRecord>> {
    return this.#file.session(async (readInto) => {
      const read = async (begin: number, length: number): Promise<Buffer> => {
        if (begin < 0 || begin + length > this.#file.size) {
          this.#fail('zip_invalid', 'the zip directory points outside the file');
        }
        const bytes = Buffer.alloc(length);
        await readInto(bytes, begin);
        return bytes;
      };
      const { begin, bytes, count } = await this.#directory(read);
      const entries = this.#entries(bytes, count).sort((a, b) => a.localOffset - b.localOffset);
      return this.#records(entries, begin, read);
    });
  }

  /** Finds the directory by the end record, which must be the last thing in the file. */
  async #directory(
    read: (begin: number, length: number) => Promise<Buffer>,
  ): Promise<{ begin: number; bytes: Buffer; count: number }> {
    const endAt = this.#file.size - END_BYTES;
    const end = endAt < 0 ? undefined : await read(endAt, END_BYTES);
    if (end?.readUInt32LE(0) !== END) {
      this.#fail(
        'zip_invalid',
        'the file does not end as a zip file does: cut off, or bytes added at its end',
      );
    }
    const wide = await this.#wideEnd(read, endAt);
    const disks = [end.readUInt16LE(4), end.readUInt16LE(6)];
    if (disks.some((disk) => disk !== 0 && !(wide !== undefined && disk === 0xffff))) {
      this.#fail('zip_unsupported', 'it is one part of a zip file split over several disks');
    }
    const narrow = {
      count: end.readUInt16LE(10),
      size: end.readUInt32LE(12),
      begin: end.readUInt32LE(16),
    };
    if (end.readUInt16LE(8) !== narrow.count || end.readUInt16LE(20) !== 0) {
      this.#fail('zip_invalid', 'the end record of the zip file contradicts itself');
    }
    const { count, size, begin } = wide ?? narrow;
    if (wide !== undefined) {
      const agrees =
        (narrow.count === count || narrow.count === 0xffff) &&
        (narrow.size === size || narrow.size === NONE32) &&
        (narrow.begin === begin || narrow.begin === NONE32);
      if (!agrees) this.#fail('zip_invalid', 'its two end records (32 and 64 bit) disagree');
    }
    const directoryEnd = wide?.at ?? endAt;
    if (begin + size !== directoryEnd) {
      this.#fail('zip_invalid', 'the zip directory does not end where the end record begins');
    }
    if (count > MAX_RECORDS || size > MAX_DIRECTORY_BYTES) {
      this.#fail('zip_invalid', `it claims ${count} records in a directory of ${size} bytes`);
    }
    return { begin, bytes: await read(begin, size), count };
  }

  /** The 64-bit end record, where there is one; it must stand directly before its locator. */
  async #wideEnd(
    read: (begin: number, length: number) => Promise<Buffer>,
    endAt: number,
  ): Promise<{ at: number; count: number; size: number; begin: number } | undefined> {
    const locatorAt = endAt - LOCATOR64_BYTES;
    if (locatorAt < END64_BYTES) return undefined;
    const locator = await read(locatorAt, LOCATOR64_BYTES);
    if (locator.readUInt32LE(0) !== LOCATOR64) return undefined;
    const at = this.#inFile(locator, 8, 'the 64-bit end record');
    if (at !== locatorAt - END64_BYTES || locator.readUInt32LE(4) !== 0) {
      this.#fail('zip_invalid', 'the 64-bit end record is not where its locator says');
    }
    const end = await read(at, END64_BYTES);
    const count = this.#inFile(end, 32, 'the number of records');
    const valid =
      end.readUInt32LE(0) === END64 &&
      end.readBigUInt64LE(4) === BigInt(END64_BYTES - 12) &&
      end.readUInt32LE(16) === 0 &&
      end.readUInt32LE(20) === 0 &&
      this.#inFile(end, 24, 'the number of records') === count;
    if (!valid) this.#fail('zip_invalid', 'the 64-bit end record contradicts itself');
    const size = this.#inFile(end, 40, 'the zip directory');
    return { at, count, size, begin: this.#inFile(end, 48, 'the zip directory') };
  }

  #entries(bytes: Buffer, count: number): DirectoryEntry[] {
    const entries: DirectoryEntry[] = [];
    const names = new Set<string>();
    let at = 0;
    while (at < bytes.length) {
      const complete = at + CENTRAL_BYTES <= bytes.length && bytes.readUInt32LE(at) === CENTRAL;
      const variable = complete
        ? [28, 30, 32].reduce((sum, field) => sum + bytes.readUInt16LE(at + field), 0)
        : 0;
      const end = at + CENTRAL_BYTES + variable;
      if (!complete || end > bytes.length)
        this.#fail('zip_invalid', 'the zip directory is damaged');
      const entry = this.#entry(bytes.subarray(at, end));
      if (names.has(entry.name)) {
        this.#fail('zip_invalid', `the zip directory lists "${shown(entry.name)}" twice`);
      }
      names.add(entry.name);
      entries.push(entry);
      at = end;
    }
    if (entries.length !== count) {
      const what = `the zip directory has ${entries.length} records where ${count} are announced`;
      this.#fail('zip_invalid', what);
    }
    return entries;
  }

  #entry(bytes: Buffer): DirectoryEntry {
    const nameEnd = CENTRAL_BYTES + bytes.readUInt16LE(28);
    const nameBytes = bytes.subarray(CENTRAL_BYTES, nameEnd);
    const name = nameBytes.toString('utf8');
    this.#checkName(name);
    const where = `the record "${shown(name)}"`;
    const flags = bytes.readUInt16LE(8);
    if ((flags & ENCRYPTED) !== 0) this.#fail('zip_unsupported', `${where} is encrypted`);
    if (bytes.readUInt16LE(10) !== 0) {
      this.#fail('zip_unsupported', `${where} is compressed, which torch.save never does`);
    }
    if ((flags & ~KNOWN_FLAGS) !== 0 || bytes.readUInt16LE(34) !== 0) {
      this.#fail('zip_unsupported', `${where} uses features of zip that torch.save never does`);
    }
    const extra = bytes.subarray(nameEnd, nameEnd + bytes.readUInt16LE(30));
    const [packed = 0, size = 0, localOffset = 0] = this.#wide(
      [bytes.readUInt32LE(20), bytes.readUInt32LE(24), bytes.readUInt32LE(42)],
      extra,
      where,
    );
    if (packed !== size) this.#fail('zip_invalid', `${where} is stored, but has two sizes`);
    return { name, flags, crc32: bytes.readUInt32LE(16), size, localOffset, nameBytes };
  }

  /** Replaces 32-bit fields that are all ones by their 64-bit values in the extra field, in order. */
  #wide(fields: readonly number[], extra: Buffer, where: string): readonly number[] {
    if (!fields.includes(NONE32)) return fields;
    let at = 0;
    while (at + 4 <= extra.length && extra.readUInt16LE(at) !== ZIP64_EXTRA) {
      at += 4 + extra.readUInt16LE(at + 2);
    }
    const end = at + 4 <= extra.length ? at + 4 + extra.readUInt16LE(at + 2) : 0;
    at += 4;
    if (end > extra.length) this.#fail('zip_invalid', `${where} has a damaged extra field`);
    return fields.map((field) => {
      if (field !== NONE32) return field;
      if (at + 8 > end) this.#fail('zip_invalid', `${where} lacks its 64-bit sizes`);
      at += 8;
      return this.#inFile(extra, at - 8, where);
    });
  }

  /** Checks that local headers repeat the directory and that the records fill the file exactly. */
  async #records(
    entries: readonly DirectoryEntry[],
    directoryBegin: number,
    read: (begin: number, length: number) => Promise<Buffer>,
  ): Promise<ReadonlyMap<string, ZipRecord>> {
    const records = new Map<string, ZipRecord>();
    let reached = 0;
    for (const [i, entry] of entries.entries()) {
      const { name, crc32, size } = entry;
      const where = `the record "${shown(name)}"`;
      if (entry.localOffset !== reached) {
        this.#fail('zip_invalid', `${where} overlaps another one, or unused bytes lie before it`);
      }
      const header = await read(reached, LOCAL_BYTES + entry.nameBytes.length);
      const extraLength = header.readUInt16LE(28);
      const begin = reached + header.length + extraLength;
      const end = begin + size;
      const next = entries[i + 1]?.localOffset ?? directoryBegin;
      if (end > next) this.#fail('zip_invalid', `${where} reaches into what follows it`);
      const extra = await read(begin - extraLength, extraLength);
      this.#checkLocal(entry, header, extra, where);
      if ((entry.flags & SIZES_FOLLOW) !== 0) {
        this.#checkDescriptor(entry, await read(end, next - end > 24 ? 0 : next - end), where);
        reached = next;
      } else reached = end;
      records.set(name, { name, begin, end, crc32 });
    }
    if (reached !== directoryBegin) {
      this.#fail(
        'zip_invalid',
        'bytes between the last record and the directory belong to nothing',
      );
    }
    return records;
  }

  #checkLocal(entry: DirectoryEntry, header: Buffer, extra: Buffer, where: string): void {
    const follow = (entry.flags & SIZES_FOLLOW) !== 0;
    const sizes = this.#wide([header.readUInt32LE(22), header.readUInt32LE(18)], extra, where);
    const repeats = (value: number, expected: number): boolean =>
      value === expected || (follow && value === 0);
    const agrees =
      header.readUInt32LE(0) === LOCAL &&
      header.readUInt16LE(6) === entry.flags &&
      header.readUInt16LE(8) === 0 &&
      header.readUInt16LE(26) === entry.nameBytes.length &&
      header.subarray(LOCAL_BYTES).equals(entry.nameBytes) &&
      repeats(header.readUInt32LE(14), entry.crc32) &&
      sizes.every((size) => repeats(size, entry.size));
    if (!agrees) this.#fail('zip_invalid', `${where} is described differently in the directory`);
  }

  /** Signature, CRC-32 and both sizes, as 32- or 64-bit numbers. */
  #checkDescriptor({ crc32, size }: DirectoryEntry, bytes: Buffer, where: string): void {
    const wide = bytes.length === 24;
    const agrees =
      (wide || bytes.length === 16) &&
      bytes.readUInt32LE(0) === DESCRIPTOR &&
      bytes.readUInt32LE(4) === crc32 &&
      (wide
        ? bytes.readBigUInt64LE(8) === BigInt(size) && bytes.readBigUInt64LE(16) === BigInt(size)
        : bytes.readUInt32LE(8) === size && bytes.readUInt32LE(12) === size);
    if (!agrees) this.#fail('zip_invalid', `${where} is described differently after its data`);
  }
}

/**
 * Reads and checks the directory of a zip file; `checkName` may refuse a record by its name before all else.
 * Throws `checkpoint.zip_*`.
 */
export async function readZipDirectory(
  file: WeightFile,
  checkName: (name: string) => void,
): Promise<ReadonlyMap<string, ZipRecord>> {
  return new ZipDirectory(file, checkName).read();
}
