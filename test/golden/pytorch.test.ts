/** Files written by torch.save and safetensors themselves; what is in them was written down by torch. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkpointFingerprint } from '../../main/checkpoints/fingerprint.ts';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import type { ErrorCode } from '../../main/lib/error-codes.ts';
import { expectFailure } from '../support/app-errors.ts';

const folder = join(import.meta.dirname, 'pytorch');

type Described = Record<string, { dtype: string; shape: number[]; values: number[] }>;

async function expected(name: string): Promise<Described> {
  return JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Described;
}

describe('a file of torch.save gives the tensors torch sees', () => {
  const files = ['dtypes', 'views', 'legacy', 'training', 'training-legacy', 'attributes', 'tied'];
  it.each(files)('%s', async (name) => {
    const checkpoint = await openCheckpoint(join(folder, `${name}.pt`));
    const tensors = await expected(name);
    expect([...checkpoint.tensors.keys()]).toEqual(Object.keys(tensors));
    for (const [key, { dtype, shape, values }] of Object.entries(tensors)) {
      expect(checkpoint.tensors.get(key), key).toMatchObject({ name: key, dtype, shape });
      const read = await checkpoint.read(key);
      expect(read.shape).toEqual(shape);
      expect([...read.data], key).toEqual([...new Float32Array(values)]);
    }
  });

  it('and safetensors the same weights, to the byte', async () => {
    const pickled = await openCheckpoint(join(folder, 'dtypes.pt'));
    const plain = await openCheckpoint(join(folder, 'dtypes.safetensors'));
    expect(await checkpointFingerprint(pickled)).toBe(await checkpointFingerprint(plain));
  });

  it('what stands beside the weights of a training checkpoint is metadata', async () => {
    const { metadata, warnings } = await openCheckpoint(join(folder, 'training.pt'));
    const beside = { epoch: '3', best: '0.75', note: 'größer', done: 'false' };
    expect(Object.fromEntries(metadata)).toEqual({
      ...beside,
      big: '1099511627776',
      negative: '-5',
    });
    expect(warnings).toEqual([
      'The weights are those under "state_dict".',
      '"module." before every name is left out.',
    ]);
  });

  it('shared storages are known', async () => {
    const { source, warnings } = await openCheckpoint(join(folder, 'tied.pt'));
    expect(source.shared).toEqual([['embed.weight', 'head.weight']]);
    expect(warnings).toHaveLength(1);
  });
});

describe('what is not plain weights is refused', () => {
  const refused: readonly (readonly [string, ErrorCode, RegExp])[] = [
    [
      'object',
      'checkpoint.pickle_global',
      /torch\.nn\.modules\.container\.Sequential.*state_dict\(\)/,
    ],
    ['script', 'checkpoint.script_archive', /TorchScript.*torch\.jit\.load/],
    ['protocol4', 'checkpoint.pickle_protocol', /protocol 4/],
    ['complex', 'checkpoint.pickle_global', /ComplexFloatStorage.*complex/],
    ['sparse', 'checkpoint.pickle_global', /_rebuild_sparse_tensor.*sparse/],
    ['quantised', 'checkpoint.pickle_global', /_rebuild_qtensor.*quantised/],
  ];
  it.each(refused)('%s → %s', async (name, code, words) => {
    const error = await expectFailure(openCheckpoint(join(folder, `${name}.pt`)), code);
    expect(error.message).toMatch(words);
  });
});
