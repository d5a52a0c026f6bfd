/** Builds PyTorch files, good and bad, byte by byte: pickles, zip archives, the legacy form. */
import { crc32 } from 'node:zlib';

/** One instruction or value of a pickle as bytes. */
export type Piece = Buffer;

const u16 = (n: number): Buffer => Buffer.from([n & 255, (n >> 8) & 255]);
export function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n >>> 0);
  return bytes;
}
export function u64(n: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(n)));
  return bytes;
}

export const op = (code: string, ...rest: readonly Uint8Array[]): Piece =>
  Buffer.concat([Buffer.from(code, 'latin1'), ...rest]);
export const join = (...pieces: readonly Piece[]): Piece => Buffer.concat(pieces);

export const proto = (version = 2): Piece => Buffer.from([0x80, version]);
export const stop = op('.');
export const global = (module: string, name: string): Piece => op(`c${module}\n${name}\n`);
export const text = (value: string | Uint8Array): Piece => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return op('X', u32(bytes.length), bytes);
};
export const put = (index: number): Piece => op('q', Buffer.from([index]));
export const get = (index: number): Piece => op('h', Buffer.from([index]));

/** A whole number, in 32 bits where it fits, else as LONG1 of 8 bytes. */
export function int(value: number | bigint): Piece {
  const big = BigInt(value);
  if (big !== BigInt.asIntN(32, big)) return op('\x8a', Buffer.from([8]), u64(big));
  return op('J', u32(Number(big)));
}
export const tuple = (...items: readonly Piece[]): Piece => join(op('('), ...items, op('t'));
export const list = (...items: readonly Piece[]): Piece => join(op(']('), ...items, op('e'));
export const dict = (...entries: readonly (readonly [Piece, Piece])[]): Piece =>
  join(op('}('), ...entries.flat(), op('u'));
export const reduce = (callee: Piece, ...args: readonly Piece[]): Piece =>
  join(callee, tuple(...args), op('R'));
export const ordered = (): Piece => reduce(global('collections', 'OrderedDict'));

interface StorageFields {
  readonly tag?: Piece;
  readonly type?: Piece;
  readonly key?: Piece;
  readonly count?: Piece;
  readonly view?: readonly Piece[];
}

/** A storage of 4 fp32 values under the key "0", unless told otherwise. */
export const storage = (fields: StorageFields = {}): Piece =>
  join(
    tuple(
      fields.tag ?? text('storage'),
      fields.type ?? global('torch', 'FloatStorage'),
      fields.key ?? text('0'),
      text('cpu'),
      fields.count ?? int(4),
      ...(fields.view ?? []),
    ),
    op('Q'),
  );

interface TensorFields {
  readonly storage?: Piece;
  readonly offset?: Piece;
  readonly size?: Piece;
  readonly stride?: Piece;
  readonly hooks?: Piece;
  readonly more?: readonly Piece[];
}

/** The whole storage as [2, 2], unless told otherwise. */
export const tensor = (fields: TensorFields = {}): Piece =>
  reduce(
    global('torch._utils', '_rebuild_tensor_v2'),
    fields.storage ?? storage(),
    fields.offset ?? int(0),
    fields.size ?? tuple(int(2), int(2)),
    fields.stride ?? tuple(int(2), int(1)),
    op('\x89'),
    fields.hooks ?? ordered(),
    ...(fields.more ?? []),
  );

export const parameter = (data: Piece): Piece =>
  reduce(global('torch._utils', '_rebuild_parameter'), data, op('\x88'), ordered());

/** A whole pickle of one value. */
export const pickle = (...body: readonly Piece[]): Piece => join(proto(), ...body, stop);
export const stateDict = (...entries: readonly (readonly [string, Piece])[]): Piece =>
  pickle(dict(...entries.map(([name, value]) => [text(name), value] as const)));

export interface ZipEntry {
  readonly name: string;
  readonly data: Uint8Array;
  /** What the local header, the descriptor and the directory say, where it is not the truth. */
  readonly local?: Partial<ZipFields>;
  readonly after?: Partial<ZipFields>;
  readonly central?: Partial<ZipFields>;
}

interface ZipFields {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
  readonly disk: number;
  readonly extra: Uint8Array;
}

export interface ZipOptions {
  /** Sizes behind the data, as torch.save writes them. */
  readonly descriptors?: boolean;
  /** A 64-bit end record and its locator before the end. */
  readonly wide?: boolean;
  readonly wideFields?: {
    readonly count?: number;
    readonly size?: bigint;
    readonly begin?: bigint;
    readonly at?: bigint;
  };
  readonly count?: number;
  readonly begin?: number;
  readonly comment?: Uint8Array;
  readonly disk?: number;
  /** Bytes between the last record and the directory. */
  readonly gap?: Uint8Array;
}

const header = (signature: number, fields: readonly Buffer[]): Buffer =>
  join(u32(signature), ...fields);

/** A zip archive; every field can be made to lie. */
export function zip(entries: readonly ZipEntry[], options: ZipOptions = {}): Buffer {
  const { descriptors = true, wide = true } = options;
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let position = 0;
  const add = (bytes: Buffer): void => {
    parts.push(bytes);
    position += bytes.length;
  };
  for (const entry of entries) {
    const truth: ZipFields = {
      name: entry.name,
      flags: descriptors ? 0x808 : 0x800,
      method: 0,
      crc: crc32(entry.data),
      packed: entry.data.length,
      size: entry.data.length,
      offset: position,
      disk: 0,
      extra: new Uint8Array(0),
    };
    const hidden = descriptors ? { crc: 0, packed: 0, size: 0 } : {};
    const local = { ...truth, ...hidden, ...entry.local };
    const name = Buffer.from(local.name);
    const described = [
      u16(local.flags),
      u16(local.method),
      u32(0),
      u32(local.crc),
      u32(local.packed),
      u32(local.size),
    ];
    add(
      header(0x04034b50, [
        u16(0),
        ...described,
        u16(name.length),
        u16(local.extra.length),
        name,
        Buffer.from(local.extra),
      ]),
    );
    add(Buffer.from(entry.data));
    const after = { ...truth, ...entry.after };
    if (descriptors) add(header(0x08074b50, [u32(after.crc), u32(after.packed), u32(after.size)]));
    const listed = { ...truth, ...entry.central };
    const listedName = Buffer.from(listed.name);
    central.push(
      header(0x02014b50, [
        ...[u16(0), u16(0), u16(listed.flags), u16(listed.method), u32(0), u32(listed.crc)],
        ...[u32(listed.packed), u32(listed.size), u16(listedName.length), u16(listed.extra.length)],
        ...[
          u16(0),
          u16(listed.disk),
          u16(0),
          u32(0),
          u32(listed.offset),
          listedName,
          Buffer.from(listed.extra),
        ],
      ]),
    );
  }
  if (options.gap !== undefined) add(Buffer.from(options.gap));
  const begin = position;
  const directory = join(...central);
  add(directory);
  if (wide) {
    const {
      count = entries.length,
      size = BigInt(directory.length),
      begin: at = BigInt(begin),
      at: endAt = BigInt(position),
    } = options.wideFields ?? {};
    add(
      header(0x06064b50, [
        u64(44),
        u16(45),
        u16(45),
        u32(0),
        u32(0),
        u64(count),
        u64(count),
        u64(size),
        u64(at),
      ]),
    );
    add(header(0x07064b50, [u32(0), u64(endAt), u32(1)]));
  }
  const count = u16(options.count ?? entries.length);
  const comment = Buffer.from(options.comment ?? []);
  const disk = u16(options.disk ?? 0);
  add(
    header(0x06054b50, [
      disk,
      disk,
      count,
      count,
      u32(directory.length),
      u32(options.begin ?? begin),
      u16(comment.length),
      comment,
    ]),
  );
  return join(...parts);
}

/** The values 1, 2, 3, 4 as fp32. */
export const fourValues = Buffer.from(new Float32Array([1, 2, 3, 4]).buffer);

/** A PyTorch archive around a pickle, with one storage "0" of four values. */
export function archive(
  pickled: Uint8Array,
  records: Readonly<Record<string, Uint8Array>> = { 'data/0': fourValues },
  options?: ZipOptions,
): Buffer {
  const all = { 'data.pkl': pickled, ...records, version: Buffer.from('3\n') };
  return zip(
    Object.entries(all).map(([name, data]) => ({ name: `m/${name}`, data })),
    options,
  );
}

export const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');

export interface LegacyFields {
  readonly protocol?: Piece;
  readonly system?: Piece;
  readonly keys?: Piece;
  readonly data?: Uint8Array;
}

const system = (littleEndian: string): Piece =>
  dict([text('protocol_version'), int(1001)], [text('little_endian'), op(littleEndian)]);
export const bigEndianSystem = system('\x89');

/** A legacy file around a pickle, with one storage "0" of four values. */
export function legacy(object: Uint8Array, fields: LegacyFields = {}): Buffer {
  return join(
    LEGACY_MAGIC,
    pickle(fields.protocol ?? int(1001)),
    pickle(fields.system ?? system('\x88')),
    Buffer.from(object),
    pickle(fields.keys ?? list(text('0'))),
    Buffer.from(fields.data ?? join(u64(4), fourValues)),
  );
}
