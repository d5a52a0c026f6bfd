/** RegMean against the normal equations, solved here by elimination on inputs collected here. */
import { describe, expect, test } from 'vitest';
import { gramProgram } from '../../../../main/adaptation/statistics/linear-inputs.ts';
import type { StatisticsContext } from '../../../../main/adaptation/statistics/method.ts';
import { regMean } from '../../../../main/adaptation/statistics/regmean.ts';
import { imageBatch, type ImageSet } from '../../../../main/data/images.ts';
import { createReferenceEngine } from '../../../../main/engine/reference/engine.ts';
import { CancelledError } from '../../../../main/lib/errors.ts';
import { randomStream } from '../../../../main/lib/random.ts';
import { staticModel } from '../../../../main/models/merged-model.ts';
import { expertSet, randomHead, tinyConfig } from '../../../support/tiny-models.ts';

const engine = createReferenceEngine();
const set = expertSet(2);

function imagesOf(task: string, count: number): ImageSet {
  const size = tinyConfig.imageSize;
  const random = randomStream('pixels', task);
  const pixels = Uint8Array.from({ length: count * size * size * 3 }, () => random() * 256);
  const normalisation = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] } as const;
  return { task, store: { size, count, pixels }, normalisation };
}

function contextOf(count: number): StatisticsContext {
  const tasks = ['a', 'b'].map((task) => ({
    images: imagesOf(task, count),
    head: randomHead(task, 3, tinyConfig.hiddenSize),
  }));
  return { engine, set, tasks, seed: 3, signal: undefined, onProgress: () => undefined };
}

const names = [...set.base.keys()];
const linear = names.filter((name) => /(_proj|fc\d)\.weight$/.test(name));

/** Sums of Gram matrices over images one by one, so that batches cannot matter. */
async function gramOf(k: number, images: ImageSet, name: string): Promise<number[][]> {
  const weights = set.experts[k]!;
  const { program, results } = gramProgram(staticModel({ config: tinyConfig, weights }), 1);
  const executable = await engine.compile(program, weights);
  const size = weights.get(name)!.shape[1]!;
  const sum = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let i = 0; i < images.store.count; i++) {
    const found = await executable.run({ images: await imageBatch(images, [i]) });
    found[results.get(name)!]!.data.forEach((value, at) => {
      sum[Math.floor(at / size)]![at % size]! += value / images.store.count;
    });
  }
  return sum;
}

/** X of X A = B by Gauss-Jordan elimination with pivots, on columns of Aᵀ. */
function solveRight(b: readonly number[][], a: readonly number[][]): number[][] {
  const size = a.length;
  const rows = a.map((_, i) => [...a.map((row) => row[i]!), ...b.map((row) => row[i]!)]);
  for (let column = 0; column < size; column++) {
    const rest = rows.slice(column).map((row) => Math.abs(row[column]!));
    const pivot = column + rest.indexOf(Math.max(...rest));
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    const head = rows[column]!;
    const scale = head[column]!;
    head.forEach((value, i) => (head[i] = value / scale));
    for (const [i, row] of rows.entries()) {
      const factor = row[column]!;
      if (i !== column) row.forEach((value, j) => (row[j] = value - factor * head[j]!));
    }
  }
  return b.map((_, i) => rows.map((row) => row[size + i]!));
}

test('finds the linear layers of the program', () => {
  const model = staticModel({ config: tinyConfig, weights: set.base });
  expect([...gramProgram(model, 2).results.keys()].sort()).toEqual([...linear].sort());
});

describe('more images than inputs', () => {
  const context = contextOf(40);

  test.each([linear[3]!, linear.at(-2)!])('solves the normal equations of %s', async (name) => {
    const share = 0.9;
    const merged = await regMean.merge({ images: 40, off_diagonal: share }, context);
    const [rows = 0, columns = 0] = set.base.get(name)!.shape;
    const gram = Array.from({ length: columns }, () => new Array<number>(columns).fill(0));
    const right = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
    for (const [k, { images }] of context.tasks.entries()) {
      const own = await gramOf(k, images, name);
      const weights = set.experts[k]!.get(name)!.data;
      for (let i = 0; i < columns; i++) {
        for (let j = 0; j < columns; j++) {
          const value = own[i]![j]! * (i === j ? 1 : share);
          gram[i]![j]! += value;
          for (let row = 0; row < rows; row++)
            right[row]![j]! += weights[row * columns + i]! * value;
        }
      }
    }
    const wanted = solveRight(right, gram).flat();
    const found = merged.get(name)!.data;
    wanted.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 3));
  });

  test('averages what is no linear layer', async () => {
    const merged = await regMean.merge({ images: 4, off_diagonal: 0.9 }, context);
    expect([...merged.keys()]).toEqual(names);
    for (const name of names.filter((each) => !linear.includes(each))) {
      const [a, b] = set.experts.map((weights) => weights.get(name)!.data);
      merged.get(name)!.data.forEach((value, i) => {
        expect(value).toBe(Math.fround((a![i]! + b![i]!) / 2));
      });
    }
  });
});

test('copies of one expert give that expert, with however few images', async () => {
  const context = contextOf(1);
  const same = { ...context, set: { ...set, experts: [set.experts[0]!, set.experts[0]!] } };
  const merged = await regMean.merge({ images: 1, off_diagonal: 1 }, same);
  for (const [name, { data }] of merged)
    expect(data, name).toEqual(set.experts[0]!.get(name)!.data);
});

test('counts images and gives the same bits again', async () => {
  const seen: [number, number][] = [];
  const context = {
    ...contextOf(20),
    onProgress: (done: number, total: number) => seen.push([done, total]),
  };
  const first = await regMean.merge({ images: 18, off_diagonal: 0.9 }, context);
  expect(seen).toEqual([
    [16, 36],
    [18, 36],
    [34, 36],
    [36, 36],
  ]);
  expect(await regMean.merge({ images: 18, off_diagonal: 0.9 }, context)).toEqual(first);
});

test('stops when cancelled', async () => {
  const context = { ...contextOf(2), signal: AbortSignal.abort() };
  const merge = regMean.merge({ images: 2, off_diagonal: 0.9 }, context);
  await expect(merge).rejects.toBeInstanceOf(CancelledError);
});
