import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdapter, type Adapter } from '../../../main/checkpoints/adapter.ts';
import { applyAdapter } from '../../../main/checkpoints/apply-adapter.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { writeSafetensors, type TensorToWrite } from '../../../main/checkpoints/writer.ts';
import { lora } from '../../../main/cli/commands/lora.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { linearAlgebra } from '../../../main/merging/linear-algebra.ts';
import { methods } from '../../../main/merging/index.ts';
import { extractAdapter } from '../../../main/merging/lora/extract.ts';
import { mergeAdapters } from '../../../main/merging/lora/merge-adapters.ts';
import type { CombinationId, CombineOptions } from '../../../main/merging/lora/combine.ts';
import { writeAdapter } from '../../../main/merging/lora/write-adapter.ts';
import { groupOf, runMethod } from './in-memory.ts';

const folder = mkdtempSync(join(tmpdir(), 'mergewright-lora-'));
const place = (name: string) => join(folder, name);
const plain: Omit<CombineOptions, 'key'> = { density: 1, majority: 'total', svdScaling: 'once' };
const shapes = { 'layers.0.fc.weight': [14, 10], 'layers.1.fc.weight': [9, 14] } as const;
const ranks = { one: 2, two: 3, three: 2 } as const;
let adapters: Adapter[] = [];

function values(count: number, ...key: (string | number)[]): Float32Array {
  return normals(randomStream(...key), count, 1);
}

beforeAll(async () => {
  for (const [name, rank] of Object.entries(ranks)) {
    await writeAdapter(place(name), {
      pairs: Object.entries(shapes)
        .filter(([target]) => name !== 'three' || target.includes('0'))
        .map(([target, [out, inner]]) => ({
          target,
          kind: 'weight' as const,
          rank,
          a: { shape: [rank, inner], data: values(rank * inner, name, target, 'a') },
          b: { shape: [out, rank], data: values(out * rank, name, target, 'b') },
        })),
      baseModel: 'some/base',
      fanInFanOut: false,
      others: [],
      modulesToSave: [],
      metadata: new Map(),
    });
  }
  const base = Object.entries(shapes).map(([name, shape]) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: values(shape[0] * shape[1], 'base', name),
  }));
  const bias = { name: 'layers.0.fc.bias', dtype: 'F32' as const, shape: [14] };
  const withBias = [...base, { ...bias, data: values(14, 'bias') }];
  await writeSafetensors(place('base.safetensors'), withBias, new Map());
  adapters = await Promise.all(Object.keys(ranks).map((name) => openAdapter(place(name))));
});

afterAll(async () => {
  for (const adapter of adapters) await adapter.close();
  rmSync(folder, { recursive: true, force: true });
});

/** ΔW of a weight, as the reader of adapters computes it. */
async function changeOf(adapter: Adapter, target: string): Promise<Float32Array> {
  const pair = adapter.pairs.get(target);
  const [out, inner] = shapes[target as keyof typeof shapes];
  if (pair === undefined) return new Float32Array(out * inner);
  const [a, b] = [await adapter.weights.read(pair.a), await adapter.weights.read(pair.b)];
  return Float32Array.from({ length: out * inner }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < pair.rank; k++) {
      sum += b.data[Math.floor(at / inner) * pair.rank + k]! * a.data[k * inner + (at % inner)]!;
    }
    return sum * pair.scaling;
  });
}

async function merged(
  kind: CombinationId,
  weights: readonly number[],
  options: Partial<Omit<CombineOptions, 'key'>> = {},
  chosen = adapters,
): Promise<Adapter> {
  const target = place(`merged-${kind}-${String(Math.random())}`);
  const merge = { kind, adapters: chosen, weights, options: { ...plain, ...options }, seed: 3 };
  await writeAdapter(target, await mergeAdapters(merge, linearAlgebra));
  return openAdapter(target);
}

function expectClose(found: Float32Array, expected: Float32Array, digits = 4): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, digits);
}

describe('merged adapters, written and read again', () => {
  test.each(['cat', 'svd', 'dare_linear_svd', 'magnitude_prune_svd'] as const)(
    '%s keeps the weighted sum where nothing is cut away',
    async (kind) => {
      const weights = [1, -0.5, 2];
      const result = await merged(kind, weights, { rank: 7 });
      for (const target of Object.keys(shapes)) {
        const changes = await Promise.all(adapters.map((adapter) => changeOf(adapter, target)));
        const sum = changes[0]!.map((_, i) =>
          changes.reduce((total, change, k) => total + weights[k]! * change[i]!, 0),
        );
        expectClose(await changeOf(result, target), sum);
      }
      await result.close();
    },
  );

  test('knots equals the method of the same name on the full changes', async () => {
    const weights = [1, 0.5, 1.5];
    const result = await merged('knots', weights, { density: 0.4 });
    const target = 'layers.0.fc.weight';
    const changes = await Promise.all(adapters.map((adapter) => changeOf(adapter, target)));
    const method = methods.find(({ id }) => id === 'knots')!;
    const zero = new Float32Array(140);
    const parameters = { density: 0.4, weight: weights };
    const [full] = await runMethod(method, parameters, [groupOf(target, zero, changes, [14, 10])]);
    expectClose(await changeOf(result, target), full!);
    await result.close();
  });

  test('scaling twice is the older way of the singular value types', async () => {
    const config = JSON.parse(readFileSync(join(place('one'), 'adapter_config.json'), 'utf8')) as {
      lora_alpha: number;
    };
    expect(config.lora_alpha).toBe(2);
    const scaled = [{ ...adapters[0]!, pairs: scaledPairs(adapters[0]!, 3) }];
    const once = await merged('svd', [1], { rank: 2 }, scaled);
    const twice = await merged('svd', [1], { rank: 2, svdScaling: 'twice' }, scaled);
    const target = 'layers.0.fc.weight';
    const plainChange = await changeOf(adapters[0]!, target);
    expectClose(
      await changeOf(once, target),
      plainChange.map((value) => 3 * value),
    );
    expectClose(
      await changeOf(twice, target),
      plainChange.map((value) => 9 * value),
    );
    await once.close();
    await twice.close();
  });

  test('soup averages the factors', async () => {
    const pair = [adapters[0]!, adapters[2]!];
    const result = await merged('soup', [1, 1], {}, pair);
    const name = 'base_model.model.layers.0.fc.lora_A.weight';
    const [one, three] = await Promise.all(pair.map(({ weights }) => weights.read(name)));
    const mean = one!.data.map((value, i) => (value + three!.data[i]!) / 2);
    expectClose((await result.weights.read(name)).data, mean, 6);
    await result.close();
  });

  test('dare keeps the share it should, and the same entries for the same seed', async () => {
    const two = [adapters[0]!, adapters[2]!];
    const [first, again] = [
      await merged('dare_linear', [1, 1], { density: 0.5 }, two),
      await merged('dare_linear', [1, 1], { density: 0.5 }, two),
    ];
    const name = 'base_model.model.layers.1.fc.lora_A.weight';
    const kept = (await first.weights.read(name)).data;
    expect((await again.weights.read(name)).data).toEqual(kept);
    const original = (await two[0]!.weights.read(name)).data;
    const zeros = kept.filter((value) => value === 0).length;
    expect(zeros).toBeGreaterThan(5);
    expect(zeros).toBeLessThan(23);
    kept.forEach((value, i) => {
      if (value !== 0) expect(value).toBeCloseTo(2 * original[i]!, 5);
    });
    await first.close();
    await again.close();
  });

  test('unequal ranks are refused where factors are combined', async () => {
    await expect(merged('ties', [1, 1, 1])).rejects.toMatchObject({ code: 'adapter.mismatch' });
  });
});

function scaledPairs(adapter: Adapter, scaling: number): Adapter['pairs'] {
  return new Map([...adapter.pairs].map(([key, pair]) => [key, { ...pair, scaling }]));
}

describe('mergewright lora', () => {
  async function call(
    ...words: readonly string[]
  ): Promise<{ code: number; out: string; err: string }> {
    let [out, err] = ['', ''];
    const code = await runProgram(['lora', ...words], {
      commands: [lora],
      version: '',
      stdout: { columns: 200, write: (text) => (out += text) },
      stderr: { write: (text) => (err += text) },
      env: {},
      signal: new AbortController().signal,
    });
    return { code, out: out.replaceAll(folder, '~'), err: err.replaceAll(folder, '~') };
  }

  test('merges adapters and refuses to write over the result', async () => {
    const words = ['merge', place('one'), place('three'), '--kind', 'ties', '--density', '0.5'];
    const { code, out } = await call(...words, '--weights', '1', '0.5', '--out', place('cli'));
    expect(code).toBe(0);
    expect(out).toBe('Merged 2 adapters with ties into ~/cli: 2 weights, rank 2\n');
    const adapter = await openAdapter(place('cli'));
    expect([...adapter.pairs.keys()].sort()).toEqual(Object.keys(shapes));
    await adapter.close();
    const again = await call(...words, '--out', place('cli'));
    expect(again.code).not.toBe(0);
    expect(again.err).toContain('earlier export');
  });

  test('extracts an adapter and says what it lacks', async () => {
    const base = await openCheckpoint(place('base.safetensors'));
    const tensors: TensorToWrite[] = [];
    for (const { name, shape } of base.tensors.values()) {
      const { data } = await base.read(name);
      const change = values(data.length, 'tuned', name);
      const tuned = data.map((value, i) => value + change[i]! / 10);
      tensors.push({ name, dtype: 'F32', shape, data: tuned });
    }
    await base.close();
    await writeSafetensors(place('tuned.safetensors'), tensors, new Map());
    const words = ['extract', place('tuned.safetensors'), '--base', place('base.safetensors')];
    const { code, out } = await call(...words, '--rank', '4', '--out', place('extract'));
    expect(code).toBe(0);
    expect(out).toContain('Extracted an adapter for 2 weights, rank 4 to 4, into ~/extract');
    expect(out).toContain('no linear layer has them: layers.0.fc.bias');
    const unclear = await call(...words, '--out', place('unclear'));
    expect(unclear.err).toContain('either --rank or --energy');
    expect((await call('mix', place('one'), '--out', place('mix'))).err).toContain('neither merge');
    const weights = await call('merge', place('one'), '--weights', '1', '2', '--out', place('w'));
    expect(weights.err).toContain('2 weights for 1 adapters');
  });
});

test('a model tuned by an adapter gives that adapter back', async () => {
  const base = await openCheckpoint(place('base.safetensors'));
  const tuned = applyAdapter(base, adapters[1]!);
  for (const size of [{ rank: 3 }, { energy: 0.999_999 }]) {
    const { adapter, report } = await extractAdapter(
      { base, tuned, size, baseModel: 'base', fanInFanOut: false },
      linearAlgebra,
    );
    expect(report.lost).toEqual([]);
    expect(report.residual).toBeLessThan(1e-6);
    expect(report.weights.map(({ rank }) => rank)).toEqual([3, 3]);
    const target = place(`extracted-${Object.keys(size).join('')}`);
    await writeAdapter(target, adapter);
    const extracted = await openAdapter(target);
    for (const name of Object.keys(shapes)) {
      expectClose(await changeOf(extracted, name), await changeOf(adapters[1]!, name));
    }
    await extracted.close();
  }
  const { report } = await extractAdapter(
    { base, tuned, size: { rank: 1 }, baseModel: 'base', fanInFanOut: false },
    linearAlgebra,
  );
  expect(report.residual).toBeGreaterThan(0.1);
  await expect(
    extractAdapter(
      { base, tuned: base, size: { rank: 1 }, baseModel: 'base', fanInFanOut: false },
      linearAlgebra,
    ),
  ).rejects.toMatchObject({ code: 'merge.incompatible' });
  await base.close();
});
