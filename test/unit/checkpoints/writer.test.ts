/** Writing safetensors: round trips, reproducible bytes, refusals, and what is left after a failure. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkpointFingerprint } from '../../../main/checkpoints/fingerprint.ts';
import { nameProblem } from '../../../main/checkpoints/header.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import {
  writeSafetensors,
  type OutputDType,
  type TensorToWrite,
} from '../../../main/checkpoints/writer.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { appErrorOf, useFolder } from './support.ts';

const root = useFolder();
let folder = '';
let count = 0;

beforeEach(async () => {
  folder = join(root(), String(count++));
  await mkdir(folder);
});

const path = (): string => join(folder, 'out.safetensors');

function tensor(
  name: string,
  values: readonly number[] = [1],
  dtype: OutputDType = 'F32',
): TensorToWrite {
  return { name, dtype, shape: [values.length], data: new Float32Array(values) };
}

describe('what is written is read back', () => {
  it('values, shapes, dtypes and metadata, data given at once or when its turn comes', async () => {
    const metadata = new Map([
      ['10', 'ten'],
      ['1', 'é😀"\\\n'],
    ]);
    const lazy: TensorToWrite = {
      name: 'lazy',
      dtype: 'F16',
      shape: [2, 3],
      data: () => Promise.resolve(new Float32Array([1, 2, 3, 4, 5, 6])),
    };
    const scalar: TensorToWrite = { ...tensor('scalar'), shape: [] };
    const empty: TensorToWrite = { ...tensor('empty', []), shape: [0, 4] };
    const written = await writeSafetensors(path(), [lazy, scalar, empty], metadata);
    const checkpoint = await openCheckpoint(path());
    expect(Object.fromEntries(checkpoint.metadata)).toEqual(Object.fromEntries(metadata));
    expect((await checkpoint.read('lazy')).data).toEqual(new Float32Array([1, 2, 3, 4, 5, 6]));
    expect(checkpoint.tensors.get('lazy')).toMatchObject({ dtype: 'F16', shape: [2, 3] });
    expect((await checkpoint.read('scalar')).shape).toEqual([]);
    expect((await checkpoint.read('empty')).data).toHaveLength(0);
    const bytes = await readFile(path());
    expect(written).toEqual({
      byteLength: bytes.length,
      tensorCount: 3,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      dataSha256: createHash('sha256').update(bytes.subarray(-16)).digest('hex'),
    });
    expect(await readdir(folder)).toEqual(['out.safetensors']);
  });

  it('any names, shapes and fp32 bit patterns', async () => {
    const name = fc
      .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
      .map((text) => `t${text}`)
      .filter((text) => nameProblem(text) === undefined);
    const shape = fc.array(fc.nat({ max: 4 }), { maxLength: 4 });
    const word = fc.nat({ max: 0xffffffff });
    const tensors = fc.uniqueArray(fc.tuple(name, shape, word), {
      maxLength: 6,
      selector: ([key]) => key,
    });
    const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4, noNullPrototype: true });
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (rows, pairs) => {
        const given = rows.map(([key, sizes, seed]): TensorToWrite => {
          const length = sizes.reduce((product, size) => product * size, 1);
          const bits = Uint32Array.from({ length }, (_, i) => Math.imul(seed + i, 2654435761));
          return { name: key, dtype: 'F32', shape: sizes, data: new Float32Array(bits.buffer) };
        });
        await writeSafetensors(path(), given, new Map(Object.entries(pairs)), {
          allowNonFinite: true,
        });
        const checkpoint = await openCheckpoint(path());
        expect(new Map(checkpoint.metadata)).toEqual(new Map(Object.entries(pairs)));
        expect(checkpoint.tensors.size).toBe(given.length);
        for (const { name: key, shape: sizes, data } of given) {
          const read = await checkpoint.read(key);
          expect(read.shape).toEqual(sizes);
          const expected = data as Float32Array;
          expect(Buffer.from(read.data.buffer)).toEqual(Buffer.from(expected.buffer));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('16-bit tensors longer than one piece, rounded to nearest even', async () => {
    const length = 4 * 1024 * 1024 + 3;
    const data = new Float32Array(length).fill(1);
    data.fill(1 + 3 * 2 ** -11, length - 2);
    const tensors = (['F16', 'BF16'] as const).map((dtype) => ({
      ...{ name: dtype, dtype, shape: [length], data },
    }));
    await writeSafetensors(path(), tensors);
    const checkpoint = await openCheckpoint(path());
    expect([...(await checkpoint.read('F16')).data.subarray(-3)]).toEqual([
      1,
      1 + 2 ** -9,
      1 + 2 ** -9,
    ]);
    expect([...(await checkpoint.read('BF16')).data.subarray(-3)]).toEqual([1, 1, 1]);
  });
});

describe('the same content gives the same bytes', () => {
  const tensors = [
    tensor('b', [1, 2], 'F16'),
    tensor('z', [3]),
    tensor('\uffee', [4]),
    tensor('😀', [5]),
    tensor('B', [6], 'BF16'),
    tensor('10', [7]),
    tensor('9', [8]),
  ];

  it('in whatever order tensors and metadata come', async () => {
    const pairs = [
      ['é', '1'],
      ['z', '2'],
      ['2', '3'],
      ['10', '4'],
    ] as const;
    const first = await writeSafetensors(path(), tensors, new Map(pairs));
    const second = await writeSafetensors(
      path(),
      tensors.toReversed(),
      new Map(pairs.toReversed()),
    );
    expect(second).toEqual(first);
    const checkpoint = await openCheckpoint(path());
    // Larger alignment first, then UTF-8 bytes: U+FFEE comes before U+1F600, unlike in UTF-16.
    expect([...checkpoint.tensors.keys()]).toEqual(['10', '9', 'z', '\uffee', '😀', 'B', 'b']);
    expect([...checkpoint.metadata.keys()]).toEqual(['10', '2', 'z', 'é']);
  });

  it('which are those of the format, with the data aligned to 8', async () => {
    await writeSafetensors(path(), [tensor('w', [1, 2])], new Map([['format', 'pt']]));
    const header =
      '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   ';
    const expected = Buffer.concat([
      Buffer.from([header.length, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from(header),
      Buffer.from([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]),
    ]);
    expect(header.length % 8).toBe(0);
    expect(await readFile(path())).toEqual(expected);
  });

  it('and a fingerprint that ignores metadata, but no name, shape, dtype or value', async () => {
    const printOf = async (
      given: readonly TensorToWrite[],
      metadata = new Map<string, string>(),
    ) => {
      await writeSafetensors(path(), given, metadata);
      return checkpointFingerprint(await openCheckpoint(path()));
    };
    const print = await printOf([tensor('a', [1, 2]), tensor('b')]);
    expect(print).toMatch(/^[0-9a-f]{64}$/);
    expect(await printOf([tensor('b'), tensor('a', [1, 2])], new Map([['x', 'y']]))).toBe(print);
    const others = [await printOf([tensor('a', [1, 3]), tensor('b')])];
    others.push(await printOf([tensor('a', [1, 2]), tensor('c')]));
    others.push(await printOf([{ ...tensor('a', [1, 2]), shape: [2, 1] }, tensor('b')]));
    others.push(await printOf([tensor('a', [1, 2], 'BF16'), tensor('b')]));
    others.push(await printOf([tensor('a', [1]), tensor('b', [2, 1])]));
    expect(new Set([print, ...others]).size).toBe(6);
  });

  it('a fingerprint can be cancelled', async () => {
    await writeSafetensors(path(), [tensor('a')]);
    const checkpoint = await openCheckpoint(path());
    const work = checkpointFingerprint(checkpoint, { signal: AbortSignal.abort() });
    await expect(work).rejects.toBeInstanceOf(CancelledError);
  });
});

describe('what must not be written is refused, and the old file stays', () => {
  const refused: readonly (readonly [string, string, TensorToWrite[], string | undefined])[] = [
    ['a name twice', 'duplicate_tensor', [tensor('w'), tensor('w')], 'w'],
    ['an empty name', 'name_invalid', [tensor('')], ''],
    ['a reserved name', 'metadata_invalid', [tensor('__metadata__')], undefined],
    ['half a surrogate pair', 'header_not_json', [tensor('\ud800')], undefined],
    ['a negative dimension', 'shape_invalid', [{ ...tensor('w'), shape: [-1, -1] }], 'w'],
    ['a broken dimension', 'shape_invalid', [{ ...tensor('w'), shape: [0.5, 2] }], 'w'],
    ['too few values', 'size_mismatch', [{ ...tensor('w'), shape: [2] }], 'w'],
    ['NaN', 'non_finite', [tensor('v'), tensor('w', [1, NaN, 3])], 'w'],
    ['infinity', 'non_finite', [tensor('w', [-Infinity], 'BF16')], 'w'],
    ['a value too large for F16', 'value_overflow', [tensor('w', [1, 65520], 'F16')], 'w'],
    ['a value too large for BF16', 'value_overflow', [tensor('w', [3.4e38], 'BF16')], 'w'],
  ];
  it.each(refused)('%s → checkpoint.%s', async (_title, code, tensors, name) => {
    await writeFile(path(), 'old');
    const error = await appErrorOf(writeSafetensors(path(), tensors));
    expect(error.code).toBe(`checkpoint.${code}`);
    if (name !== undefined) expect(error.where).toContain(`tensor "${name}" of `);
    expect(await readFile(path(), 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['out.safetensors']);
  });

  it('says how many values are not finite and where the first is', async () => {
    const error = await appErrorOf(writeSafetensors(path(), [tensor('w', [1, NaN, Infinity, 2])]));
    expect(error.what).toContain('2 of 4 values');
    expect(error.what).toContain('index 1');
  });

  it('writes NaN where it is allowed, always as the same bytes', async () => {
    const nans = new Float32Array(new Uint32Array([0x7f800001, 0xffffffff]).buffer);
    const given: TensorToWrite = { name: 'w', dtype: 'F16', shape: [2], data: nans };
    await writeSafetensors(path(), [given], new Map(), { allowNonFinite: true });
    expect((await readFile(path())).subarray(-4)).toEqual(Buffer.from([0, 0x7e, 0, 0xfe]));
  });

  it('a value too large for the dtype, also where NaN is allowed', async () => {
    const work = writeSafetensors(path(), [tensor('w', [65520], 'F16')], new Map(), {
      allowNonFinite: true,
    });
    expect((await appErrorOf(work)).code).toBe('checkpoint.value_overflow');
  });

  it('a header above the limit of readers', async () => {
    const metadata = new Map([['x', 'y'.repeat(100_000_000)]]);
    const error = await appErrorOf(writeSafetensors(path(), [], metadata));
    expect(error.code).toBe('checkpoint.header_too_large');
  });

  it('whatever the source of a tensor throws', async () => {
    const failing: TensorToWrite = {
      ...tensor('w'),
      data: () => Promise.reject(new Error('source failed')),
    };
    await expect(writeSafetensors(path(), [tensor('a'), failing])).rejects.toThrow('source failed');
    expect(await readdir(folder)).toEqual([]);
  });

  it('a cancelled write, before it and in the middle', async () => {
    await writeFile(path(), 'old');
    const controller = new AbortController();
    const cancelling: TensorToWrite = {
      ...tensor('b'),
      data: () => {
        controller.abort();
        return Promise.resolve(new Float32Array(1));
      },
    };
    const { signal } = controller;
    const write = () => writeSafetensors(path(), [tensor('a'), cancelling], new Map(), { signal });
    await expect(write()).rejects.toBeInstanceOf(CancelledError);
    expect(await readdir(folder)).toEqual(['out.safetensors']);
    await expect(write()).rejects.toBeInstanceOf(CancelledError);
    expect(await readFile(path(), 'utf8')).toBe('old');
  });
});
