/**
 * The readers under fuzzing, each with an oracle: what is accepted must be consistent by other means than
 * the reader's, and whatever is not accepted must be an AppError.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { openAdapter } from '../../main/checkpoints/adapter.ts';
import type { StoredCheckpoint } from '../../main/checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { parseHeader } from '../../main/checkpoints/header.ts';
import { checkLayout } from '../../main/checkpoints/layout.ts';
import { ValueFault } from '../../main/checkpoints/pytorch/fault.ts';
import { PickleEnded, readPickle } from '../../main/checkpoints/pytorch/pickle.ts';
import { findStateDict } from '../../main/checkpoints/pytorch/state-dict.ts';
import { Storages } from '../../main/checkpoints/pytorch/storages.ts';
import type { SequenceNode, StorageNode } from '../../main/checkpoints/pytorch/values.ts';
import { pickleGlobals } from '../../main/checkpoints/pytorch/pickle-globals.ts';
import { parseShardIndex } from '../../main/checkpoints/shard-index.ts';
import { AppError } from '../../main/lib/errors.ts';
import {
  archive,
  dict,
  fourValues,
  get,
  int,
  legacy,
  op,
  parameter,
  pickle,
  put,
  stateDict,
  storage,
  tensor,
  text,
  tuple,
} from '../unit/checkpoints/pytorch-files.ts';
import { entry, file, fp32 } from '../support/safetensors-bytes.ts';
import type { FuzzTarget } from './coverage-fuzzer.ts';
import { imageTargets } from './image-targets.ts';

const bytesOf = (words: readonly string[]): Uint8Array[] =>
  words.map((word) => Buffer.from(word, 'latin1'));

const jsonTokens = bytesOf([
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    ' ',
    '0',
    '-1',
    '1e1',
    '9007199254740993',
    'null',
    'true',
  ],
  ...[
    '"dtype"',
    '"shape"',
    '"data_offsets"',
    '"F32"',
    '"BF16"',
    '"F4"',
    '"__metadata__"',
    '"a"',
    '"\\u0061"',
    '\x00',
  ],
]);
const pickleTokens = [
  ...bytesOf([
    '(',
    '.',
    'N',
    'Q',
    'R',
    'a',
    'b',
    '}',
    'e',
    ']',
    's',
    't',
    ')',
    'u',
    '\x81',
    '\x85',
    '\x86',
    '\x87',
    '\x88',
  ]),
  ...bytesOf([
    'ctorch\nSize\n',
    'ctorch\nFloatStorage\n',
    'ctorch\nHalfStorage\n',
    'ccollections\nOrderedDict\n',
    'cos\nsystem\n',
  ]),
  ...bytesOf([
    'ctorch._utils\n_rebuild_tensor_v2\n',
    'ctorch._utils\n_rebuild_parameter\n',
    'c__builtin__\nset\n',
  ]),
  ...[
    text('state_dict'),
    text('w'),
    text('0'),
    int(0),
    int(1),
    int(2),
    int(4),
    int(-1),
    int(2 ** 40),
    get(0),
    put(0),
    get(1),
    put(1),
  ],
  ...[tensor(), storage(), tuple(), dict()],
];
const zipTokens = [
  ...bytesOf([
    'PK\x01\x02',
    'PK\x03\x04',
    'PK\x05\x06',
    'PK\x06\x06',
    'PK\x07\x08',
    'm/',
    'data/0',
    'data.pkl',
    'byteorder',
  ]),
  fourValues,
];

const sound = stateDict(['w', tensor()]);
const rich = pickle(
  dict(
    [text('epoch'), int(3)],
    [
      text('state_dict'),
      dict(
        [text('module.a'), tensor()],
        [text('module.b'), parameter(tensor({ stride: tuple(int(1), int(2)) }))],
      ),
    ],
    [text('none'), op('N')],
  ),
);

/** False for an AppError, which is an answer; anything else that is thrown is a bug. */
async function accepts(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    assert.match(error.code, /^(?:checkpoint|adapter)\./);
    assert.doesNotMatch(error.message, /[\p{Cc}\p{Cs}]/u);
    return false;
  }
}

/** Every tensor has the bytes its shape says, and fp32 ones only values that are in the file. */
async function expectSound(
  checkpoint: StoredCheckpoint,
  values: ReadonlySet<number>,
): Promise<void> {
  for (const [name, { dtype, shape, byteLength }] of checkpoint.tensors) {
    let bytes = 0;
    for await (const chunk of checkpoint.chunks(name)) bytes += chunk.byteLength;
    assert.equal(bytes, byteLength);
    if (dtype !== 'F32') continue;
    const { data } = await checkpoint.read(name);
    assert.equal(
      data.length,
      shape.reduce((product, size) => product * size, 1),
    );
    assert.ok(data.every((value) => values.has(value)));
  }
}

const stored = new Set([1, 2, 3, 4]);

/** What passes the parser in memory is opened as a file too, where the oracle looks at the values. */
const both =
  (parse: (input: Uint8Array) => void, open: FuzzTarget['run']): FuzzTarget['run'] =>
  async (input) => {
    try {
      if (!(await accepts(async () => parse(input)))) return false;
    } catch (error) {
      if (error instanceof PickleEnded) return false;
      throw error;
    }
    return open(input);
  };

/** Files are written into `folder`, which also keeps the input of a run that had to be killed. */
export function fuzzTargets(folder: string): readonly FuzzTarget[] {
  const opens =
    (name: string, wrap: (input: Uint8Array) => Uint8Array): FuzzTarget['run'] =>
    async (input) => {
      const path = join(folder, name);
      await writeFile(path, wrap(input));
      return accepts(async () => {
        const checkpoint = await openCheckpoint(path);
        if (name.endsWith('.pt')) await expectSound(checkpoint, stored);
        await checkpoint.close();
      });
    };
  const header = `{"__metadata__":{"k":"v"},${entry('a', '[0,4]')},${entry('b', '[4,8]', '[2]', '"F16"')},${entry('c', '[8,8]', '[0]')}}`;
  return [
    {
      name: 'safetensors',
      seeds: [Buffer.from(header), Buffer.from('{}')],
      tokens: jsonTokens,
      share: 0.3,
      run: both(
        (input) => {
          checkLayout(parseHeader(input, 'f').entries.values(), 8, 'f');
        },
        opens('f.safetensors', (input) => file(input, 8)),
      ),
    },
    {
      name: 'index',
      seeds: [
        Buffer.from(
          '{"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}',
        ),
      ],
      tokens: [...jsonTokens, ...bytesOf(['"weight_map"', '"../x.safetensors"', '"m.bin"'])],
      share: 0.2,
      run: (input) =>
        accepts(async () => {
          for (const shard of parseShardIndex(input, 'i').shards) {
            assert.match(shard, /^[^/\\:]+\.safetensors$/);
          }
        }),
    },
    {
      name: 'pickle',
      seeds: [sound, rich],
      tokens: pickleTokens,
      share: 0.3,
      run: both(
        (input) => {
          const check = ({ key, count }: StorageNode): void => {
            if (key !== '0' || count !== 4) throw new ValueFault('storage_invalid', 'another one');
          };
          const storages = new Storages(check);
          const source = { file: 'p', storageOf: (id: SequenceNode) => storages.of(id) };
          findStateDict(readPickle(input, 0, source).value, 'p');
        },
        opens('p.pt', (input) => archive(input)),
      ),
    },
    {
      name: 'zip',
      seeds: [archive(sound), archive(sound, undefined, { descriptors: false, wide: false })],
      tokens: zipTokens,
      share: 0.04,
      run: opens('z.pt', (input) => input),
    },
    {
      name: 'zip with matching checksums',
      seeds: [archive(sound, undefined, { descriptors: false })],
      tokens: [...zipTokens, ...pickleTokens],
      share: 0.04,
      run: opens('c.pt', withChecksums),
    },
    {
      name: 'legacy',
      seeds: [legacy(sound), legacy(rich)],
      tokens: pickleTokens,
      share: 0.04,
      // No checksum guards these numbers, so only their amount is checked.
      run: opens('l.pth', (input) => input),
    },
    {
      name: 'globals',
      seeds: [sound, legacy(rich)],
      tokens: pickleTokens,
      share: 0.04,
      run: async (input) => {
        const path = join(folder, 'g.pt');
        await writeFile(path, input);
        return accepts(async () => {
          await pickleGlobals(path);
        });
      },
    },
    {
      name: 'adapter',
      seeds: [
        Buffer.from(
          '{"peft_type":"LORA","r":1,"lora_alpha":2,"rank_pattern":{"fc":1},"use_rslora":true}',
        ),
      ],
      tokens: [
        ...jsonTokens,
        ...bytesOf(['"use_dora"', '"alpha_pattern"', '"r"', '"target_modules"']),
      ],
      share: 0.04,
      run: async (input) => {
        const adapter = join(folder, 'adapter');
        await mkdir(adapter, { recursive: true });
        await writeFile(join(adapter, 'adapter_config.json'), input);
        const weights = `{${entry('fc.lora_A.weight', '[0,12]', '[1,3]')},${entry('fc.lora_B.weight', '[12,20]', '[2,1]')}}`;
        await writeFile(
          join(adapter, 'adapter_model.safetensors'),
          file(weights, fp32(1, 2, 3, 4, 5)),
        );
        return accepts(async () => {
          const { pairs } = await openAdapter(adapter);
          for (const { scaling, rank } of pairs.values()) {
            assert.ok(Number.isFinite(scaling));
            assert.equal(rank, 1);
          }
        });
      },
    },
    ...imageTargets(folder),
  ];
}

/** Puts right checksums into local headers and directory, so that damage gets past them. */
function withChecksums(input: Uint8Array): Uint8Array {
  const bytes = Buffer.from(input);
  const local = Buffer.from('PK\x03\x04', 'latin1');
  for (let at = bytes.indexOf(local); at >= 0; at = bytes.indexOf(local, at + 4)) {
    if (at + 30 > bytes.length) break;
    const begin = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28);
    const sum = crc32(bytes.subarray(begin, begin + bytes.readUInt32LE(at + 22)));
    const name = bytes.subarray(at + 30, at + 30 + bytes.readUInt16LE(at + 26));
    if (name.toString('latin1').endsWith('data/0')) continue;
    bytes.writeUInt32LE(sum, at + 14);
    const listed = bytes.lastIndexOf(name);
    if (name.length > 0 && listed >= 46) bytes.writeUInt32LE(sum, listed - 30);
  }
  return bytes;
}
