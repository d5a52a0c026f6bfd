/** Fisher merging against numerical derivatives of the expert's own log-likelihood. */
import { describe, expect, test } from 'vitest';
import { fisher } from '../../../../main/adaptation/statistics/fisher.ts';
import type { StatisticsContext } from '../../../../main/adaptation/statistics/method.ts';
import { imageBatch, type ImageSet } from '../../../../main/data/images.ts';
import { createReferenceEngine } from '../../../../main/engine/reference/engine.ts';
import { encoderProgram } from '../../../../main/evaluation/evaluate.ts';
import { CancelledError } from '../../../../main/lib/errors.ts';
import { randomStream } from '../../../../main/lib/random.ts';
import type { Tensor, TensorMap } from '../../../../main/lib/tensor.ts';
import { logits, type Head } from '../../../../main/models/head.ts';
import { staticModel } from '../../../../main/models/merged-model.ts';
import { expertSet, normalTensor, tinyConfig } from '../../../support/tiny-models.ts';

const engine = createReferenceEngine();
const seed = 7;

function imagesOf(task: string, count: number): ImageSet {
  const size = tinyConfig.imageSize;
  const random = randomStream('pixels', task);
  const pixels = Uint8Array.from({ length: count * size * size * 3 }, () => random() * 256);
  const normalisation = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] } as const;
  return { task, store: { size, count, pixels }, normalisation };
}

function headOf(task: string, classes: number): Head {
  return { task, weight: normalTensor(`head ${task}`, [classes, tinyConfig.hiddenSize], 2) };
}

function contextOf(tasks: StatisticsContext['tasks']): StatisticsContext {
  const set = expertSet(tasks.length);
  return { engine, set, tasks, seed, signal: undefined, onProgress: () => undefined };
}

const tasks = ['a', 'b'].map((task) => ({ images: imagesOf(task, 1), head: headOf(task, 4) }));
const exact = { images: 1, normalize: false, floor: 1e-30 };

/** log p of every class for one image. */
async function logProbabilities(weights: TensorMap, head: Head, images: Tensor): Promise<number[]> {
  const model = staticModel({ config: tinyConfig, weights });
  const program = encoderProgram(model, { batch: 1, reduction: 'per-sample' });
  const { features } = await (await engine.compile(program, weights)).run({ images });
  const scores = [...logits(head, features!)];
  const top = Math.max(...scores);
  const sum = scores.reduce((total, score) => total + Math.exp(score - top), 0);
  return scores.map((score) => score - top - Math.log(sum));
}

/** (∂ log p(y|x)/∂θ)² for the class that the method draws, by central differences. */
async function information(k: number, name: string, index: number): Promise<number> {
  const { set } = contextOf(tasks);
  const { head, images } = tasks[k]!;
  const weights = set.experts[k]!;
  const image = await imageBatch(images, [0]);
  const p = (await logProbabilities(weights, head, image)).map(Math.exp);
  let rest = randomStream(seed, 'fisher', images.task)();
  const drawn = p.findIndex((share) => (rest -= share) < 0);
  const at = async (change: number) => {
    const { shape, data } = weights.get(name)!;
    const moved = data.slice();
    moved[index]! += change;
    const changed = new Map([...weights, [name, { shape, data: moved }]]);
    return (await logProbabilities(changed, head, image))[drawn]!;
  };
  const step = 2 ** -7;
  return (((await at(step)) - (await at(-step))) / (2 * step)) ** 2;
}

describe('one image of each task', () => {
  test.each([
    ['vision_model.encoder.layers.1.mlp.fc2.weight', 5],
    ['vision_model.encoder.layers.0.self_attn.v_proj.weight', 17],
    ['vision_model.post_layernorm.bias', 3],
    ['vision_model.embeddings.patch_embedding.weight', 40],
  ])('weighs %s by squared gradients', async (name, index) => {
    const context = contextOf(tasks);
    const merged = (await fisher.merge(exact, context)).get(name)!.data[index]!;
    const [a, b] = [await information(0, name, index), await information(1, name, index)];
    const [first, second] = context.set.experts.map((expert) => expert.get(name)!.data[index]!);
    const share = (merged - second!) / (first! - second!);
    expect(share).toBeCloseTo(a / (a + b), 2);
  });

  test('every value lies between those of the experts', async () => {
    const context = contextOf(tasks);
    for (const [name, { data }] of await fisher.merge(exact, context)) {
      const [first, second] = context.set.experts.map((expert) => expert.get(name)!.data);
      data.forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(Math.min(first![i]!, second![i]!));
        expect(value).toBeLessThanOrEqual(Math.max(first![i]!, second![i]!));
      });
    }
  });
});

test('a head of one class carries no information: the plain average', async () => {
  const blind = tasks.map(({ images }) => ({ images, head: headOf('blind', 1) }));
  const context = contextOf(blind);
  const merged = await fisher.merge({ ...exact, normalize: true, floor: 1e-6 }, context);
  for (const [name, { data }] of merged) {
    const [first, second] = context.set.experts.map((expert) => expert.get(name)!.data);
    data.forEach((value, i) => expect(value).toBeCloseTo((first![i]! + second![i]!) / 2, 6));
  }
});

test('takes each image once, counts them, and gives the same bits again', async () => {
  const several = [
    { images: imagesOf('a', 3), head: headOf('a', 4) },
    { images: imagesOf('b', 5), head: headOf('b', 3) },
  ];
  const seen: [number, number][] = [];
  const context = {
    ...contextOf(several),
    onProgress: (done: number, total: number) => seen.push([done, total]),
  };
  const parameters = { images: 4, normalize: true, floor: 1e-6 };
  const first = await fisher.merge(parameters, context);
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7].map((done) => [done, 7]));
  expect(await fisher.merge(parameters, context)).toEqual(first);
});

test('stops when cancelled', async () => {
  const controller = new AbortController();
  controller.abort();
  const context = { ...contextOf(tasks), signal: controller.signal };
  await expect(fisher.merge(exact, context)).rejects.toBeInstanceOf(CancelledError);
});
