/**
 * Malicious and odd PyTorch files, each with the one error code it must give. The numbers are those of a list
 * of fifty attacks on pickle readers. Generated, never stored. `MARKER` is a file a payload would create.
 */
import { gzipSync, deflateRawSync } from 'node:zlib';
import type { ErrorCode } from '../../../main/lib/error-codes.ts';
import {
  archive,
  bigEndianSystem,
  dict,
  fourValues,
  get,
  global,
  int,
  join,
  legacy,
  LEGACY_MAGIC,
  list,
  op,
  ordered,
  parameter,
  pickle,
  proto,
  put,
  reduce,
  stateDict,
  stop,
  storage,
  tensor,
  text,
  tuple,
  u32,
  u64,
  zip,
  type Piece,
  type ZipEntry,
  type ZipOptions,
} from './pytorch-files.ts';

export const MARKER = 'marker-of-a-payload';

type Row = readonly [title: string, code: string, build: () => Uint8Array];

const command = text(`touch ${MARKER}`);
const inPickle =
  (...body: readonly Piece[]) =>
  (): Uint8Array =>
    archive(pickle(...body));
const raw =
  (...body: readonly Piece[]) =>
  (): Uint8Array =>
    archive(join(...body));
const one = (value: Piece) => (): Uint8Array => archive(stateDict(['w', value]));
const sound = stateDict(['w', tensor()]);
const called = (module: string, name: string, ...args: readonly Piece[]): Row => [
  `global ${module}.${name}`,
  'pickle_global',
  inPickle(reduce(global(module, name), ...args)),
];

const code: readonly Row[] = [
  ...(
    [
      ['posix', 'system', command],
      ['nt', 'system', command],
      ['os', 'system', command],
      ['subprocess', 'Popen', command],
      ['builtins', 'eval', text('1')],
      ['builtins', 'exec', text('1')],
      ['__builtin__', 'eval', text('1')],
      ['builtins', 'getattr', text('a'), text('b')],
      ['torch', 'load', text('other.pt')],
      ['torch.jit', 'load', text('other.pt')],
      ['torch.storage', '_load_from_bytes', text('x')],
      ['pkgutil', 'resolve_name', text('os.system')],
      ['logging', 'FileHandler', text(MARKER)],
      ['uuid', '_get_command_stdout', command],
      ['pip', 'main', list(text('install'))],
      ['numpy.core.multiarray', '_reconstruct'],
      ['torch', 'FloatStorage.__init__'],
      ['torch._utils', '_rebuild_tensor_v2.__globals__'],
      ['collections', 'OrderedDict.__class__'],
      ['Torch', 'Size'],
      ['torch._utils ', '_rebuild_tensor_v2'],
      ['__main__', '__proto__'],
    ] as const
  ).map(([module, name, ...args]): Row => {
    const [title, ...rest] = called(module, name, ...args);
    return [`1-4 ${title}`, ...rest];
  }),
  [
    '5 STACK_GLOBAL with joined strings',
    'pickle_opcode',
    inPickle(text('os'), text('system'), op('\x93'), tuple(command), op('R')),
  ],
  [
    '6 names built by the memo',
    'pickle_opcode',
    inPickle(
      text('os'),
      put(0),
      text('system'),
      put(1),
      get(0),
      get(1),
      op('\x93'),
      tuple(command),
      op('R'),
    ),
  ],
  ['7 INST', 'pickle_opcode', inPickle(op('('), command, op('ios\nsystem\n'))],
  ['7 OBJ', 'pickle_opcode', inPickle(op('('), global('torch', 'Size'), op('o'))],
  ...['\x82\x01', '\x83\x01\x00', '\x84\x01\x00\x00\x00'].map((ext, i): Row => [
    `8 EXT${2 ** i}`,
    'pickle_opcode',
    inPickle(op(ext)),
  ]),
  ...[0, 1, 3, 4, 5, 255].map((version): Row => [
    `9 protocol ${version}`,
    'pickle_protocol',
    raw(proto(version), int(1), stop),
  ]),
  ['9 no PROTO', 'pickle_protocol', raw(int(1), stop)],
  ['9 PROTO twice', 'pickle_opcode', raw(proto(), proto(), int(1), stop)],
  [
    '10 a nested pickle as bytes',
    'pickle_global',
    inPickle(
      reduce(global('pickle', 'loads'), op('U', Buffer.from([7]), Buffer.from('cos\nx\n.'))),
    ),
  ],
  ['10 bytes', 'pickle_opcode', inPickle(op('C', Buffer.from([1, 46])))],
  [
    '11 payload first, broken tail',
    'pickle_global',
    raw(proto(), reduce(global('posix', 'system'), command), Buffer.from([0xff])),
  ],
  [
    '12 payload after STOP',
    'pickle_invalid',
    raw(sound, reduce(global('posix', 'system'), command), stop),
  ],
  ['13 two pickles', 'pickle_invalid', raw(sound, sound)],
  ['13 one byte after STOP', 'pickle_invalid', raw(sound, Buffer.from([0]))],
  ...[
    '0',
    '1',
    '2',
    'F1\n',
    'I1\n',
    'L1L\n',
    'P1\n',
    "S'a'\n",
    'Va\n',
    'd',
    'l',
    '\x8f',
    '\x95',
  ].map((instruction): Row => [
    `refused instruction ${JSON.stringify(instruction)}`,
    'pickle_opcode',
    inPickle(int(1), op(instruction)),
  ]),
  ['an unknown instruction', 'pickle_invalid', inPickle(op('\xff'))],
];

const values: readonly Row[] = [
  ['14 SETITEM on a tensor', 'pickle_value', inPickle(tensor(), int(0), int(1), op('s'))],
  ['14 SETITEMS on a list', 'pickle_value', inPickle(list(), op('('), int(0), int(1), op('u'))],
  ['14 APPEND to a tuple', 'pickle_value', inPickle(tuple(), int(0), op('a'))],
  ['14 APPENDS to a dictionary', 'pickle_value', inPickle(dict(), op('('), int(0), op('e'))],
  ['15 BUILD on a tensor', 'pickle_value', inPickle(tensor(), dict(), op('b'))],
  ['15 BUILD on a text', 'pickle_value', inPickle(text('x'), dict(), op('b'))],
  ['15 BUILD with a tuple', 'pickle_value', inPickle(ordered(), tuple(), op('b'))],
  ['16 REDUCE of a text', 'pickle_value', inPickle(reduce(text('os.system'), command))],
  [
    '16 REDUCE of a storage class',
    'pickle_value',
    inPickle(reduce(global('torch', 'FloatStorage'), int(4))),
  ],
  ['16 REDUCE without a tuple', 'pickle_value', inPickle(global('torch', 'Size'), list(), op('R'))],
  ['16 NEWOBJ of a number', 'pickle_value', inPickle(int(1), tuple(), op('\x81'))],
  [
    '16 OrderedDict of a number',
    'pickle_value',
    inPickle(reduce(global('collections', 'OrderedDict'), int(3))),
  ],
  ['16 a tensor of no storage', 'pickle_value', one(tensor({ storage: int(1) }))],
  ['a list as a key', 'pickle_value', inPickle(dict([list(), int(1)]))],
  ['48 Parameter inside Parameter', 'pickle_value', one(parameter(parameter(tensor())))],
  ['48 Parameter of a number', 'pickle_value', one(parameter(int(1)))],
];

const big = 2n ** 62n;
const views: readonly Row[] = [
  ['17 offset past the end', 'view_invalid', one(tensor({ offset: int(1) }))],
  ['17 offset 2^62', 'view_invalid', one(tensor({ offset: int(big) }))],
  ['17 view past the end', 'view_invalid', one(tensor({ size: tuple(int(3), int(2)) }))],
  [
    '17 an empty view past the end',
    'view_invalid',
    one(tensor({ offset: int(5), size: tuple(int(0)), stride: tuple(int(1)) })),
  ],
  ['18 negative offset', 'view_invalid', one(tensor({ offset: int(-1) }))],
  ['18 negative size', 'view_invalid', one(tensor({ size: tuple(int(-2), int(-2)) }))],
  [
    '18 negative stride',
    'view_invalid',
    one(tensor({ offset: int(3), stride: tuple(int(-2), int(1)) })),
  ],
  ['18 size no number', 'view_invalid', one(tensor({ size: tuple(text('2'), int(2)) }))],
  [
    '18 size a fraction',
    'view_invalid',
    one(tensor({ size: tuple(op('G', Buffer.from('3ff8000000000000', 'hex')), int(2)) })),
  ],
  ['18 size a list', 'view_invalid', one(tensor({ size: list(int(2), int(2)) }))],
  [
    '19 more strides than sizes',
    'view_invalid',
    one(tensor({ stride: tuple(int(2), int(1), int(1)) })),
  ],
  [
    '19 rank 65',
    'view_invalid',
    one(
      tensor({
        size: tuple(...Array.from({ length: 65 }, () => int(1))),
        stride: tuple(...Array.from({ length: 65 }, () => int(0))),
      }),
    ),
  ],
  [
    '20 size product overflows',
    'view_invalid',
    one(tensor({ size: tuple(int(2 ** 31), int(2 ** 31)), stride: tuple(int(0), int(0)) })),
  ],
  [
    '20 size times stride overflows',
    'view_invalid',
    one(tensor({ size: tuple(int(2), int(2)), stride: tuple(int(big), int(big)) })),
  ],
  [
    '21 zero strides, 2^31 elements',
    'pickle_limit',
    one(tensor({ size: tuple(int(2 ** 31)), stride: tuple(int(0)) })),
  ],
  ['hooks', 'view_invalid', one(tensor({ hooks: dict([int(0), int(1)]) }))],
  ['a conjugated view', 'view_invalid', one(tensor({ more: [dict([text('conj'), op('\x88')])] }))],
];

const storages: readonly Row[] = [
  [
    '22 count larger than the record',
    'storage_invalid',
    one(tensor({ storage: storage({ count: int(5) }) })),
  ],
  [
    '23 count smaller than the record',
    'storage_invalid',
    one(
      tensor({ storage: storage({ count: int(3) }), size: tuple(int(1)), stride: tuple(int(1)) }),
    ),
  ],
  ['24 missing record', 'storage_invalid', one(tensor({ storage: storage({ key: text('1') }) }))],
  [
    '25 key ../version',
    'storage_invalid',
    one(tensor({ storage: storage({ key: text('../version') }) })),
  ],
  [
    '25 key __proto__',
    'storage_invalid',
    one(tensor({ storage: storage({ key: text('__proto__') }) })),
  ],
  ['25 key a number', 'storage_invalid', one(tensor({ storage: storage({ key: int(0) }) }))],
  [
    '26 unknown storage class',
    'pickle_global',
    one(tensor({ storage: storage({ type: global('torch', 'FancyStorage') }) })),
  ],
  [
    '26 storage class a dtype',
    'storage_invalid',
    one(tensor({ storage: storage({ type: global('torch', 'float32') }) })),
  ],
  [
    '26 storage class a text',
    'storage_invalid',
    one(tensor({ storage: storage({ type: text('torch FloatStorage') }) })),
  ],
  ['44 persistent id no tuple', 'storage_invalid', inPickle(text('storage'), op('Q'))],
  ['44 wrong tag', 'storage_invalid', one(tensor({ storage: storage({ tag: text('module') }) }))],
  ['44 too few fields', 'storage_invalid', inPickle(tuple(text('storage')), op('Q'))],
  ['44 count -1', 'storage_invalid', one(tensor({ storage: storage({ count: int(-1) }) }))],
  [
    '44 count 2^63',
    'storage_invalid',
    one(tensor({ storage: storage({ count: op('\x8a', Buffer.from([8]), u64(2n ** 63n)) }) })),
  ],
  ['44 count 2^62', 'storage_invalid', one(tensor({ storage: storage({ count: int(big) }) }))],
  [
    '44 part of a storage',
    'storage_invalid',
    one(tensor({ storage: storage({ view: [tuple(int(0))] }) })),
  ],
  [
    'one key, two classes',
    'storage_invalid',
    () =>
      archive(
        stateDict(
          ['a', tensor()],
          ['b', tensor({ storage: storage({ type: global('torch', 'IntStorage') }) })],
        ),
      ),
  ],
];

const broken: readonly Row[] = [
  ...[0, 1, 2, 3, 40, 100].map((length): Row => [
    `28 pickle cut at ${length}`,
    'pickle_invalid',
    () => archive(sound.subarray(0, length)),
  ]),
  ['29 memo miss', 'pickle_invalid', inPickle(get(3))],
  ['30 stack underflow', 'pickle_invalid', inPickle(op('\x86'))],
  ['30 below a mark', 'pickle_invalid', inPickle(int(1), op('('), op('\x85'))],
  ['30 no mark', 'pickle_invalid', inPickle(int(1), op('t'))],
  ['30 mark left open', 'pickle_invalid', inPickle(int(1), op('('))],
  ['30 STOP with nothing', 'pickle_invalid', inPickle()],
  ['30 STOP with two values', 'pickle_invalid', inPickle(int(1), int(2))],
  ['a key without a value', 'pickle_invalid', inPickle(op('}('), int(1), op('u'))],
  ['31 a text of 4 GiB', 'pickle_limit', raw(proto(), op('X', u32(0xffffffff)), stop)],
  ['31 a text longer than the rest', 'pickle_invalid', raw(proto(), op('X', u32(1000)), stop)],
  ['31 a line without an end', 'pickle_invalid', raw(proto(), op('ctorch\nSi'))],
  ['32 memo index 2^32-1', 'pickle_limit', inPickle(int(1), op('r', u32(0xffffffff)))],
  ['32 memo index out of turn', 'pickle_invalid', inPickle(int(1), put(1))],
  ['32 memo put twice', 'pickle_invalid', inPickle(int(1), put(0), int(2), put(0))],
  [
    'an integer of 9 bytes',
    'pickle_limit',
    inPickle(op('\x8a', Buffer.from([9]), Buffer.alloc(9, 1))),
  ],
  ['33 billion laughs alone', 'no_tensors', inPickle(laughs())],
  ['34 200,000 lists on the stack', 'pickle_limit', inPickle(op(']'.repeat(200_000)))],
  ['34 200,000 marks', 'pickle_limit', inPickle(op('('.repeat(200_000)))],
  ['34 50,000 levels', 'pickle_limit', inPickle(op(']'.repeat(50_000)), op('a'.repeat(49_999)))],
  ['34 101 dictionaries in each other', 'pickle_limit', inPickle(nested(101))],
  ['45 a dictionary of too many keys', 'pickle_limit', () => archive(pickle(manyKeys()))],
  [
    '46 the same tensor twice',
    'duplicate_tensor',
    () => archive(stateDict(['w', tensor()], ['w', tensor()])),
  ],
  [
    '46 the same number twice',
    'pickle_value',
    inPickle(dict([text('a'), int(1)], [text('a'), int(1)])),
  ],
  [
    '46 the same name after joining',
    'duplicate_tensor',
    inPickle(
      dict([text('a'), dict([text('b.c'), tensor()])], [text('a.b'), dict([text('c'), tensor()])]),
    ),
  ],
  ['47 a number as the name of a tensor', 'name_invalid', inPickle(dict([int(1), tensor()]))],
  ['47 a tuple as the name of a tensor', 'name_invalid', inPickle(dict([tuple(int(1)), tensor()]))],
  ['49 a list that holds itself', 'no_tensors', inPickle(op(']'), put(0), get(0), op('a'))],
  [
    '49 a dictionary that holds itself',
    'no_tensors',
    inPickle(op('}'), put(0), text('state_dict'), get(0), op('s')),
  ],
  [
    '50 surrogates in a name',
    'pickle_invalid',
    inPickle(dict([text(Buffer.from('eda080', 'hex')), tensor()])),
  ],
  [
    '50 control characters in a name',
    'name_invalid',
    () => archive(stateDict(['a\n\u202eb', tensor()])),
  ],
  ['50 __proto__ as a name', 'name_invalid', () => archive(stateDict(['__proto__', tensor()]))],
  ['50 an empty name', 'name_invalid', () => archive(stateDict(['', tensor()]))],
  ['50 a path as a name', 'name_invalid', () => archive(stateDict(['../../x', tensor()]))],
  ['no tensors', 'no_tensors', inPickle(dict([text('epoch'), int(3)]))],
  ['control characters in a key', 'no_tensors', inPickle(dict([text('a\n\u001b[31m'), int(3)]))],
  ['an empty dictionary', 'no_tensors', inPickle(dict())],
];

/** A list of lists of lists …, each ten times the one before: 10^29 leaves in a few hundred bytes. */
export function laughs(): Piece {
  const levels = Array.from({ length: 29 }, (_, i) =>
    join(op(']'), put(i + 1), op('('), ...Array.from({ length: 10 }, () => get(i)), op('e')),
  );
  return list(join(text('ha'), put(0)), ...levels);
}

function nested(levels: number): Piece {
  const open = Array.from({ length: levels }, () => join(op('}'), text('state_dict')));
  return join(...open, tensor(), ...Array.from({ length: levels }, () => op('s')));
}

/** More instructions than the limit, in a pickle below the limit of bytes. */
function manyKeys(): Piece {
  const count = 2_500_001;
  const bytes = Buffer.alloc(count * 6);
  for (let i = 0; i < count; i++) {
    bytes[i * 6] = 0x4a; // BININT
    bytes.writeInt32LE(i, i * 6 + 1);
    bytes[i * 6 + 5] = 0x4e; // NONE
  }
  const chunks: Buffer[] = [];
  for (let i = 0; i < count; i += 10_000) {
    chunks.push(op('('), bytes.subarray(i * 6, Math.min(count, i + 10_000) * 6), op('u'));
  }
  return join(op('}'), ...chunks);
}

const entries = (change: Partial<ZipEntry> = {}): readonly ZipEntry[] => [
  { name: 'm/data.pkl', data: sound },
  { name: 'm/data/0', data: fourValues, ...change },
  { name: 'm/version', data: Buffer.from('3\n') },
];
const changed = (change: Partial<ZipEntry>, options?: ZipOptions) => (): Uint8Array =>
  zip(entries(change), options);
const around = (options: ZipOptions) => (): Uint8Array => zip(entries(), options);
const sized = { descriptors: false };
const deflated = deflateRawSync(Buffer.alloc(64 * 1024 * 1024));

const zips: readonly Row[] = [
  [
    '35 a deflated record',
    'zip_unsupported',
    changed({
      data: deflateRawSync(fourValues),
      central: { method: 8, size: 16 },
      local: { method: 8 },
    }),
  ],
  [
    '35 a deflate bomb',
    'zip_unsupported',
    changed({
      data: deflated,
      central: { method: 8, size: 64 * 1024 * 1024 },
      local: { method: 8 },
    }),
  ],
  [
    '37 a record twice',
    'zip_invalid',
    () => zip([...entries(), { name: 'm/data/0', data: fourValues }]),
  ],
  ['38 bytes before PK', 'wrong_format', () => join(Buffer.from('#!/bin/sh\n'), archive(sound))],
  [
    '39 two top folders',
    'archive_layout',
    () => zip([...entries(), { name: 'n/data/1', data: fourValues }]),
  ],
  ['39 no folder', 'archive_layout', () => zip([{ name: 'data.pkl', data: sound }])],
  ['39 no data.pkl', 'archive_layout', () => zip([{ name: 'm/version', data: fourValues }])],
  [
    '40 encrypted',
    'zip_unsupported',
    changed({ central: { flags: 0x809 }, local: { flags: 0x809 } }),
  ],
  [
    '40 strong encryption',
    'zip_unsupported',
    changed({ central: { flags: 0x848 }, local: { flags: 0x848 } }),
  ],
  ['40 encrypted in the local header alone', 'zip_invalid', changed({ local: { flags: 0x809 } })],
  ['40 unknown flags', 'zip_unsupported', changed({ central: { flags: 0x828 } })],
  ['40 another method in the local header', 'zip_invalid', changed({ local: { method: 8 } })],
  ['40 another name in the local header', 'zip_invalid', changed({ local: { name: 'm/data/1' } })],
  [
    '40 another size in the local header',
    'zip_invalid',
    changed({ local: { size: 15, packed: 15 } }),
  ],
  [
    '40 another size in the local header, no descriptor',
    'zip_invalid',
    changed({ local: { size: 15 } }, sized),
  ],
  ['40 another checksum in the local header', 'zip_invalid', changed({ local: { crc: 1 } }, sized)],
  ['40 another size in the descriptor', 'zip_invalid', changed({ after: { size: 15 } })],
  ['40 another checksum in the descriptor', 'zip_invalid', changed({ after: { crc: 1 } })],
  ['40 packed and unpacked size differ', 'zip_invalid', changed({ central: { size: 17 } })],
  ['40 a record of half its size', 'zip_invalid', changed({ central: { size: 8, packed: 8 } })],
  [
    '40 a record larger than the file',
    'zip_invalid',
    changed({ central: { size: 2 ** 31, packed: 2 ** 31 } }),
  ],
  ['40 a record on another disk', 'zip_unsupported', changed({ central: { disk: 1 } })],
  ['40 overlapping records', 'zip_invalid', changed({ central: { offset: 0 } })],
  [
    '40 64-bit sizes without the extra field',
    'zip_invalid',
    changed({ central: { size: 0xffffffff, packed: 0xffffffff } }),
  ],
  [
    '40 64-bit size outside the file',
    'zip_invalid',
    changed({
      central: { size: 0xffffffff, extra: join(Buffer.from([1, 0, 8, 0]), u64(2n ** 60n)) },
    }),
  ],
  [
    '40 a damaged extra field',
    'zip_invalid',
    changed({ central: { size: 0xffffffff, extra: Buffer.from([1, 0, 200, 0]) } }),
  ],
  ['40 zip64 end record with another count', 'zip_invalid', around({ wideFields: { count: 4 } })],
  ['40 zip64 directory elsewhere', 'zip_invalid', around({ wideFields: { begin: 1n } })],
  ['40 zip64 directory size 2^63', 'zip_invalid', around({ wideFields: { size: 2n ** 63n } })],
  ['40 zip64 end record elsewhere', 'zip_invalid', around({ wideFields: { at: 4n } })],
  ['40 more records announced', 'zip_invalid', around({ count: 4, wide: false })],
  ['40 another directory offset', 'zip_invalid', around({ begin: 7, wide: false })],
  ['40 a comment', 'zip_invalid', around({ comment: Buffer.from('PK') })],
  ['40 bytes after the end', 'zip_invalid', () => join(archive(sound), Buffer.from([0]))],
  [
    '40 another zip after the end',
    'zip_invalid',
    () => join(archive(sound), archive(stateDict(['v', tensor()]))),
  ],
  [
    '40 bytes between records and directory',
    'zip_invalid',
    around({ gap: Buffer.from('MZ\x90\0') }),
  ],
  ['40 several disks', 'zip_unsupported', around({ disk: 1, wide: false })],
  ['40 an empty zip', 'wrong_format', () => zip([])],
  ['40 an empty zip with 64-bit records', 'wrong_format', () => zip([], { wide: true })],
  ['40 cut off', 'zip_invalid', () => archive(sound).subarray(0, -1)],
  ['40 only the signature', 'zip_invalid', () => Buffer.from('PK\x03\x04')],
  [
    '41 TorchScript',
    'script_archive',
    () => archive(sound, { 'constants.pkl': pickle(tuple()), 'data/0': fourValues }),
  ],
  [
    '41 TorchScript code',
    'script_archive',
    () => archive(sound, { 'code/__torch__.py': Buffer.from('x'), 'data/0': fourValues }),
  ],
  ['42 7z', 'wrong_format', () => join(Buffer.from('377abcaf271c', 'hex'), Buffer.alloc(40))],
  ['42 gzip', 'wrong_format', () => gzipSync(archive(sound))],
  [
    '42 tar',
    'wrong_format',
    () => join(Buffer.alloc(257, 'a'), Buffer.from('ustar\0'), Buffer.alloc(249)),
  ],
  ['42 empty', 'wrong_format', () => Buffer.alloc(0)],
  ['42 a plain pickle', 'wrong_format', () => sound],
  [
    '27 byteorder nonsense',
    'byte_order',
    () => archive(sound, { byteorder: Buffer.from('middle'), 'data/0': fourValues }),
  ],
  [
    '27 byteorder empty',
    'byte_order',
    () => archive(sound, { byteorder: Buffer.alloc(0), 'data/0': fourValues }),
  ],
  [
    '27 byteorder of 1 MB',
    'pickle_limit',
    () => archive(sound, { byteorder: Buffer.alloc(1e6), 'data/0': fourValues }),
  ],
  ['36 a flipped bit in data.pkl', 'checksum_mismatch', () => flipped(archive(sound), sound)],
];

/** The file with one bit changed in the first occurrence of `part`. */
export function flipped(file: Buffer, part: Uint8Array): Buffer {
  const at = file.indexOf(part);
  if (at < 0) throw new Error('the part is not in the file');
  const copy = Buffer.from(file);
  copy[at + 5]! ^= 4;
  return copy;
}

const legacyKey = stateDict(['w', tensor()]);
const legacyCases: readonly Row[] = [
  ['43 wrong magic', 'wrong_format', () => flipped(legacy(legacyKey), LEGACY_MAGIC)],
  ['43 wrong protocol', 'legacy_invalid', () => legacy(legacyKey, { protocol: int(1002) })],
  ['43 big-endian system', 'byte_order', () => legacy(legacyKey, { system: bigEndianSystem })],
  ['43 no system', 'legacy_invalid', () => legacy(legacyKey, { system: int(1) })],
  ['43 no list of keys', 'legacy_invalid', () => legacy(legacyKey, { keys: text('0') })],
  [
    '43 a key too few',
    'legacy_invalid',
    () => legacy(legacyKey, { keys: list(), data: Buffer.alloc(0) }),
  ],
  ['43 another key', 'legacy_invalid', () => legacy(legacyKey, { keys: list(text('1')) })],
  [
    '43 a key twice',
    'legacy_invalid',
    () => legacy(legacyKey, { keys: list(text('0'), text('0')) }),
  ],
  ['43 a key that is a number', 'legacy_invalid', () => legacy(legacyKey, { keys: list(int(0)) })],
  ['43 short data', 'truncated', () => legacy(legacyKey).subarray(0, -1)],
  ['43 no data', 'truncated', () => legacy(legacyKey, { data: Buffer.alloc(0) })],
  ['43 trailing data', 'trailing_bytes', () => join(legacy(legacyKey), Buffer.from([0]))],
  [
    '43 another count',
    'legacy_invalid',
    () => legacy(legacyKey, { data: join(u64(3), fourValues) }),
  ],
  [
    '43 count 2^64-1',
    'legacy_invalid',
    () => legacy(legacyKey, { data: join(u64(2n ** 64n - 1n), fourValues) }),
  ],
  [
    '43 a claim of 2^50 elements',
    'truncated',
    () => legacy(stateDict(['w', tensor({ storage: storage({ count: int(2 ** 50) }) })])),
  ],
  ['43 cut inside the object', 'pickle_invalid', () => legacy(legacyKey).subarray(0, 150)],
  ['43 only the magic', 'pickle_invalid', () => LEGACY_MAGIC],
  [
    '43 code in the system',
    'pickle_global',
    () => legacy(legacyKey, { system: reduce(global('posix', 'system'), command) }),
  ],
  [
    '43 code in the object',
    'pickle_global',
    () => legacy(pickle(reduce(global('posix', 'system'), command))),
  ],
  [
    '43 part of a storage',
    'storage_invalid',
    () => legacy(stateDict(['w', tensor({ storage: storage({ view: [tuple()] }) })])),
  ],
  [
    '43 a text of 4 GiB',
    'pickle_limit',
    () => join(LEGACY_MAGIC, proto(), op('X', u32(0xffffffff))),
  ],
];

export interface PyTorchCase {
  readonly title: string;
  readonly code: ErrorCode;
  readonly build: () => Uint8Array;
}

/** Every one of them must be refused. */
export const pyTorchCases: readonly PyTorchCase[] = [
  ...code,
  ...values,
  ...views,
  ...storages,
  ...broken,
  ...zips,
  ...legacyCases,
].map(([title, name, build]) => ({ title, code: `checkpoint.${name}` as ErrorCode, build }));
