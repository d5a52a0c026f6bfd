/** Malformed single files, each with the one error code it must give. Generated, never stored. */
import type { ErrorCode } from '../../../main/lib/error-codes.ts';
import { entry, file, single } from './support.ts';

export interface MalformedCase {
  readonly title: string;
  readonly build: () => Uint8Array;
  readonly code: ErrorCode;
  /** The tensor the error must name. */
  readonly tensor?: string;
}

type Row = readonly [title: string, code: string, build: () => Uint8Array, tensor?: string];

const W4 = entry('w', '[0,4]');
const json =
  (text: string, data = 4) =>
  (): Uint8Array =>
    file(text, data);
const one = (offsets: string, shape = '[1]', dtype = '"F32"', data = 4) =>
  json(`{${entry('w', offsets, shape, dtype)}}`, data);
const named = (quoted: string) =>
  json(`{${quoted}:{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`);
const fields = (text: string) => json(`{"w":{${text}}}`);
const sound = (): Uint8Array => file(`{${W4}}`, 4);
const joined = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

const prefixes: readonly Row[] = [
  ['1 empty file', 'too_short', () => new Uint8Array(0)],
  ...[1, 4, 7].map((length): Row => [
    `2 ${length} bytes`,
    'too_short',
    () => new Uint8Array(length),
  ]),
  ['3 eight bytes, N=60', 'header_past_end', () => file('', 0, 60n)],
  ['4 N=2^64-1', 'header_too_large', () => file('{}', 0, 2n ** 64n - 1n)],
  ['5 N=2^63', 'header_too_large', () => file('{}', 0, 2n ** 63n)],
  ['7 N one larger than the rest', 'header_past_end', () => file('{}', 0, 3n)],
  ['8 N=0', 'header_not_json', () => file('')],
  ['8 N=0 with bytes after it', 'header_not_json', () => file('', 16)],
];

const text: readonly Row[] = [
  ['9 invalid UTF-8', 'header_not_utf8', () => file(Buffer.from('{"\xff":1}', 'latin1'))],
  ['10 overlong UTF-8', 'header_not_utf8', () => file(Buffer.from('{"\xc0\xaf":1}', 'latin1'))],
  [
    '10 UTF-8 surrogate',
    'header_not_utf8',
    () => file(Buffer.from('{"\xed\xa0\x80":1}', 'latin1')),
  ],
  ['11 byte order mark', 'header_not_json', json(`\ufeff{${W4}}`)],
  ['12 cut in the middle', 'header_not_json', json(`{${W4.slice(0, -9)}`)],
  ['12 cut inside a string', 'header_not_json', json('{"w')],
  ['12 cut after a backslash', 'header_not_json', json('{"w\\')],
  ['13 NUL padding', 'header_not_json', json(`{${W4}}\0\0\0`)],
  ['14 letters after the brace', 'header_not_json', json(`{${W4}}abc`)],
  ...['[]', '"x"', '1', 'null', 'true', 'false'].map((value): Row => [
    `15 top level ${value}`,
    'header_not_object',
    json(value, 0),
  ]),
  ['16 two values', 'header_not_json', json(`{${W4}} {}`)],
  [
    '17 nesting in the metadata',
    'metadata_invalid',
    json(`{"__metadata__":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}},${W4}}`),
  ],
  ['17 nesting in a shape', 'shape_invalid', one('[0,4]', '['.repeat(100_000)), 'w'],
  ['18 comment', 'header_not_json', json(`{/* c */${W4}}`)],
  ['18 single quotes', 'header_not_json', json(`{'w':1}`)],
  ['18 trailing comma', 'header_not_json', json(`{${W4},}`)],
  ['18 trailing comma in a list', 'header_not_json', one('[0,4]', '[1,]')],
  ['18 NaN literal', 'header_not_json', one('[0,4]', '[NaN]')],
  ['18 leading zero', 'header_not_json', one('[0,4]', '[01]')],
  ['18 plus sign', 'header_not_json', one('[0,4]', '[+1]')],
  ['18 control character in a string', 'header_not_json', json(`{"a\tb":1}`)],
  ['18 unknown escape', 'header_not_json', json('{"a\\x62":1}')],
];

const duplicates: readonly Row[] = [
  ['19 other range', 'duplicate_tensor', json(`{${W4},${entry('w', '[4,8]')}}`, 8), 'w'],
  ['20 same range', 'duplicate_tensor', json(`{${W4},${W4}}`), 'w'],
  [
    '21 both zero-size',
    'duplicate_tensor',
    json(`{${entry('w', '[0,0]', '[0]')},${entry('w', '[0,0]', '[0]')}}`, 0),
    'w',
  ],
  [
    '22 equal after unescaping',
    'duplicate_tensor',
    json(`{${entry('a', '[0,4]')},${entry('a', '[4,8]').replace('a', '\\u0061')}}`, 8),
    'a',
  ],
  ['23 metadata twice', 'duplicate_key', json(`{"__metadata__":{},"__metadata__":{},${W4}}`)],
  [
    '23 metadata twice, first null',
    'duplicate_key',
    json('{"__metadata__":null,"__metadata__":{}}'),
  ],
  ['23 a metadata key twice', 'duplicate_key', json(`{"__metadata__":{"a":"1","a":"1"},${W4}}`)],
  [
    '24 dtype twice',
    'duplicate_key',
    fields('"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]'),
    'w',
  ],
];

const metadata: readonly Row[] = [
  ...['1', 'null', '{}', '[]', 'true'].map((value): Row => [
    `25 metadata value ${value}`,
    'metadata_invalid',
    json(`{"__metadata__":{"a":${value}},${W4}}`),
  ]),
  ...['[]', '1', '"x"', 'true'].map((value): Row => [
    `26 metadata is ${value}`,
    'metadata_invalid',
    json(`{"__metadata__":${value},${W4}}`),
  ]),
  [
    '27 metadata written as a tensor',
    'metadata_invalid',
    json(`{${entry('__metadata__', '[0,4]')}}`),
  ],
];

const entries: readonly Row[] = [
  ['28 no dtype', 'entry_invalid', fields('"shape":[1],"data_offsets":[0,4]'), 'w'],
  ['28 no shape', 'entry_invalid', fields('"dtype":"F32","data_offsets":[0,4]'), 'w'],
  ['28 no data_offsets', 'entry_invalid', fields('"dtype":"F32","shape":[1]'), 'w'],
  ['28 empty entry', 'entry_invalid', fields(''), 'w'],
  ...['"F33"', '"f32"', '""', '"constructor"', '"__proto__"'].map((dtype): Row => [
    `29 dtype ${dtype}`,
    'dtype_unknown',
    one('[0,4]', '[1]', dtype),
    'w',
  ]),
  ['29 dtype a number', 'entry_invalid', one('[0,4]', '[1]', '32'), 'w'],
  ...['"[1]"', 'null', '{}', '1'].map((shape): Row => [
    `30 shape ${shape}`,
    'shape_invalid',
    one('[0,4]', shape),
    'w',
  ]),
  ...['2.0', '1e1', '-0', '-1', '"2"', 'null', 'true', '[1]'].map((size): Row => [
    `31 dimension ${size}`,
    'shape_invalid',
    one('[0,4]', `[${size}]`),
    'w',
  ]),
  ['32 dimension above 2^53', 'shape_too_large', one('[0,4]', '[9007199254740993]'), 'w'],
  [
    '32 the same with a zero',
    'shape_too_large',
    one('[0,0]', '[9007199254740993,0]', '"F32"', 0),
    'w',
  ],
  ['33 dimension above 2^64', 'shape_too_large', one('[0,4]', '[18446744073709551617]'), 'w'],
  ['33 dimension of 1,000 digits', 'shape_too_large', one('[0,4]', `[${'9'.repeat(1000)}]`), 'w'],
  ...['[0,4,4]', '[4]', '[]', '["0","4"]', '[0.0,4]', '[0,4e0]', 'null', '"0,4"', '[0,null]'].map(
    (offsets): Row => [`34 data_offsets ${offsets}`, 'offsets_invalid', one(offsets), 'w'],
  ),
  ['35 reversed range', 'offsets_invalid', one('[4,0]'), 'w'],
  ['36 negative offset', 'offsets_invalid', one('[-4,0]'), 'w'],
  ['36 offset above 2^64', 'offsets_invalid', one('[0,18446744073709551620]'), 'w'],
  [
    '54 extra field',
    'entry_invalid',
    fields('"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1'),
    'w',
  ],
  ['54 entry as a list', 'entry_invalid', json('{"w":["F32",[1],[0,4]]}'), 'w'],
  ['54 entry is null', 'entry_invalid', json('{"w":null}'), 'w'],
];

const layout: readonly Row[] = [
  ['37 first tensor not at 0', 'offsets_gap', one('[4,8]', '[1]', '"F32"', 8), 'w'],
  [
    '38 one-byte hole',
    'offsets_gap',
    json(`{${entry('a', '[0,1]', '[1]', '"U8"')},${entry('b', '[2,3]', '[1]', '"U8"')}}`, 3),
    'b',
  ],
  ['39 one-byte overlap', 'offsets_overlap', json(`{${W4},${entry('v', '[3,7]')}}`, 7), 'v'],
  [
    '39 empty tensor inside another',
    'offsets_overlap',
    json(`{${W4},${entry('v', '[2,2]', '[0]')}}`),
    'v',
  ],
  ['40 alias', 'offsets_overlap', json(`{${W4},${entry('v', '[0,4]')}}`), 'v'],
  ['41 range past the end', 'truncated', one('[0,8]', '[2]')],
  ['42 too small for the shape', 'size_mismatch', one('[0,4]', '[2]'), 'w'],
  ['42 too large for the shape', 'size_mismatch', one('[0,8]', '[1]', '"F32"', 8), 'w'],
  ['42 a scalar of no bytes', 'size_mismatch', one('[0,0]', '[]', '"F32"', 0), 'w'],
  ['43 product wraps', 'shape_too_large', one('[0,4]', '[2,18446744073709551614]'), 'w'],
  [
    '44 product wraps with the type',
    'shape_too_large',
    one('[0,4]', '[2,9223372036854775807]'),
    'w',
  ],
  [
    '45 product wraps to fit',
    'shape_too_large',
    one('[0,16]', '[4194305,4194305,211106198978564]', '"F32"', 16),
    'w',
  ],
  [
    '45 overflow before a zero',
    'shape_too_large',
    one('[0,0]', '[1099511627776,1099511627776,0]', '"F32"', 0),
    'w',
  ],
  ['46 odd number of F4', 'not_whole_bytes', one('[0,2]', '[3]', '"F4"', 2), 'w'],
  ['46 F6 not filling bytes', 'not_whole_bytes', one('[0,1]', '[1]', '"F6_E2M3"', 1), 'w'],
  ['47 one extra byte', 'trailing_bytes', () => joined(sound(), Buffer.alloc(1))],
  ['48 appended zip', 'trailing_bytes', () => joined(sound(), Buffer.from('PK\x03\x04abc'))],
  ['48 appended PDF', 'trailing_bytes', () => joined(sound(), Buffer.from('%PDF-1.7'))],
  ['48 appended pickle', 'trailing_bytes', () => joined(sound(), Buffer.from([0x80, 2, 0x2e]))],
  ['48 data but no tensors', 'trailing_bytes', json('{}', 8)],
  ['49 one byte short', 'truncated', () => sound().subarray(0, -1)],
];

const names: readonly Row[] = [
  ['51 name of 10 MB', 'name_invalid', named(`"${'n'.repeat(10_000_000)}"`)],
  ['52 empty name', 'name_invalid', named('""'), ''],
  ['52 NUL', 'name_invalid', named('"\\u0000"'), '\\u0000'],
  ['52 path', 'name_invalid', named('"../../x"'), '../../x'],
  ['52 __proto__', 'name_invalid', named('"__proto__"'), '__proto__'],
  ['52 constructor', 'name_invalid', named('"constructor"'), 'constructor'],
  ['52 right-to-left override', 'name_invalid', named('"a\u202eb"'), 'a\\u202eb'],
  ['52 lone surrogate', 'header_not_json', named('"\\ud800"')],
  ['53 rank 10,000', 'shape_invalid', one('[0,4]', `[${'1,'.repeat(9999)}1]`), 'w'],
];

const otherFormats: readonly Row[] = [
  [
    '55 Git LFS pointer',
    'wrong_format',
    () => Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\n`),
  ],
  [
    '55 HTML page',
    'wrong_format',
    () => Buffer.from('<!DOCTYPE html><html><body>404</body></html>'),
  ],
  ['55 XML error', 'wrong_format', () => Buffer.from('<?xml version="1.0"?><Error>denied</Error>')],
  ['55 GGUF', 'wrong_format', () => joined(Buffer.from('GGUF\x03\0\0\0'), Buffer.alloc(40))],
  [
    '55 zip',
    'wrong_format',
    () => joined(Buffer.from('PK\x03\x04\x14\0\x08\x08'), Buffer.alloc(40)),
  ],
  [
    '55 pickle',
    'wrong_format',
    () => joined(Buffer.from([0x80, 2, 0x8a, 0x0a]), Buffer.alloc(40, 1)),
  ],
  ['55 PDF', 'wrong_format', () => Buffer.from('%PDF-1.7\n%âãÏÓ\n1 0 obj')],
  ['55 JSON', 'wrong_format', () => Buffer.from('{"architectures": ["CLIPModel"]}')],
];

const rows: readonly Row[] = [
  ...prefixes,
  ...text,
  ...duplicates,
  ...metadata,
  ...entries,
  ...layout,
  ...names,
  ...otherFormats,
];

export const malformedCases: readonly MalformedCase[] = rows.map(
  ([title, code, build, tensor]) => ({
    title,
    code: `checkpoint.${code}` as ErrorCode,
    build,
    ...(tensor === undefined ? {} : { tensor }),
  }),
);

/** Valid files whose values cannot become fp32: they open, and reading the tensor is refused. */
export const unreadableCases: readonly MalformedCase[] = [
  {
    title: '59 BOOL bytes other than 0 and 1',
    build: () => file(`{${entry('w', '[0,3]', '[3]', '"BOOL"')}}`, Buffer.from([0, 1, 2])),
    code: 'checkpoint.value_not_representable',
    tensor: 'w',
  },
  {
    title: 'an integer between two fp32 values',
    build: () => {
      const data = Buffer.alloc(8);
      data.writeBigInt64LE(16777217n);
      return file(`{${entry('w', '[0,8]', '[1]', '"I64"')}}`, data);
    },
    code: 'checkpoint.value_not_representable',
    tensor: 'w',
  },
  {
    title: 'an F64 beyond the range of fp32',
    build: () => {
      const data = Buffer.alloc(8);
      data.writeDoubleLE(1e300);
      return file(`{${entry('w', '[0,8]', '[1]', '"F64"')}}`, data);
    },
    code: 'checkpoint.value_not_representable',
    tensor: 'w',
  },
  ...[
    'F4',
    'F6_E2M3',
    'F6_E3M2',
    'F8_E5M2',
    'F8_E4M3',
    'F8_E8M0',
    'F8_E4M3FNUZ',
    'F8_E5M2FNUZ',
    'C64',
  ].map((dtype): MalformedCase => ({
    title: `${dtype} has no conversion`,
    build: () =>
      single('[8]', { F4: 4, F6_E2M3: 6, F6_E3M2: 6, C64: 64 }[dtype] ?? 8, `"${dtype}"`),
    code: 'checkpoint.dtype_unsupported',
    tensor: 'w',
  })),
];
