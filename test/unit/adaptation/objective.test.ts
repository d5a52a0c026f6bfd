/** The entropy of a step, computed directly from features and heads. */
import { describe, expect, it } from 'vitest';
import { adaptationStep } from '../../../main/adaptation/objective.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import { gradientName } from '../../../main/graph/gradient.ts';
import { verify } from '../../../main/graph/verify.ts';
import { logits, stackHeads } from '../../../main/models/head.ts';
import { initialValues } from '../../../main/models/merged-model.ts';
import { encode, moved, randomTargets, runStep } from '../../support/adaptation-step.ts';
import { expertSet, pickImages, randomHead, randomImages } from '../../support/tiny-models.ts';
import { named } from '../../support/values.ts';

const heads = [randomHead('few', 2, 16, 3), randomHead('many', 9, 16, 3), randomHead('one', 1, 16)];
const model = createWemoe(expertSet(3), { depth: 1, lambda: 0.3, seed: 1 });

function entropyOf(row: Float32Array): number {
  const largest = Math.max(...row);
  const powers = [...row].map((x) => Math.exp(x - largest));
  const total = powers.reduce((a, b) => a + b, 0);
  return -powers.reduce((sum, p) => sum + (p / total) * Math.log(p / total), 0);
}

it('takes β times the entropy of the mean prediction off the loss', async () => {
  const batch = 3;
  const values = moved(model, 0.1);
  const images = randomImages(9);
  const step = { model, heads, batch, reduction: 'per-sample', values, images } as const;
  const plain = named(await runStep(step), 'loss').data[0]!;
  const diverse = await runStep({ ...step, diversity: 0.5 });
  let marginal = 0;
  for (const [task, head] of heads.entries()) {
    const own = pickImages(images, task * batch, (task + 1) * batch);
    const scores = logits(head, (await encode(model, values, own)).features);
    const classes = head.weight.shape[0]!;
    const mean = Array.from({ length: classes }, () => 0);
    for (let i = 0; i < batch; i++) {
      const powers = [...scores.subarray(i * classes, (i + 1) * classes)].map(Math.exp);
      const total = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, c) => (mean[c]! += power / total / batch));
    }
    marginal -= mean.reduce((sum, p) => sum + p * Math.log(p), 0);
  }
  expect(marginal).toBeGreaterThan(1);
  expect(named(diverse, 'loss').data[0]).toBeCloseTo(plain - 0.5 * marginal, 5);
});

it('distils: Σ over tasks of the mean KL(expert ‖ merged model) of their own classes', async () => {
  const batch = 3;
  const values = moved(model, 0.1);
  const images = randomImages(9);
  const targets = randomTargets(heads, batch);
  const step = { model, heads, batch, reduction: 'per-sample', values, images, targets } as const;
  let wanted = 0;
  for (const [task, head] of heads.entries()) {
    const own = pickImages(images, task * batch, (task + 1) * batch);
    const scores = logits(head, (await encode(model, values, own)).features);
    const classes = head.weight.shape[0]!;
    for (let i = 0; i < batch; i++) {
      const powers = [...scores.subarray(i * classes, (i + 1) * classes)].map(Math.exp);
      const total = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, c) => {
        const target = targets.data[(task * batch + i) * targets.shape[2]! + c]!;
        wanted += (target * Math.log(target / (power / total))) / batch;
      });
    }
  }
  expect(wanted).toBeGreaterThan(1);
  expect(named(await runStep(step), 'loss').data[0]).toBeCloseTo(wanted, 4);
});

describe('tasks with different numbers of classes in one step', () => {
  const batch = 3;
  const images = randomImages(9);
  const values = moved(model, 0.1);

  it('have the mean entropy of their own classes', async () => {
    const step = { model, heads, batch, reduction: 'per-sample', values, images } as const;
    const found = await runStep(step);
    const wanted: number[] = [];
    for (const [task, head] of heads.entries()) {
      const own = pickImages(images, task * batch, (task + 1) * batch);
      const scores = logits(head, (await encode(model, values, own)).features);
      const classes = head.weight.shape[0]!;
      let sum = 0;
      for (let i = 0; i < batch; i++) {
        sum += entropyOf(scores.subarray(i * classes, (i + 1) * classes));
      }
      wanted.push(sum / batch);
    }
    const entropy = named(found, 'entropy');
    expect(entropy.shape).toEqual([3]);
    entropy.data.forEach((value, task) => expect(value).toBeCloseTo(wanted[task]!, 5));
    // One class alone is certain; two have at most one bit.
    expect(Math.abs(entropy.data[2]!)).toBe(0);
    expect(wanted[0]).toBeLessThan(Math.LN2);
    expect(named(found, 'loss').data[0]).toBeCloseTo(wanted[0]! + wanted[1]!, 5);
  });

  it('do not notice that classes were added for others', async () => {
    const rest = { model, batch, reduction: 'per-sample', values } as const;
    const own = { ...rest, heads: [heads[0]!], images: pickImages(images, 0, batch) };
    const alone = await runStep(own);
    const both = await runStep({
      ...rest,
      heads: [heads[0]!, heads[2]!],
      images: pickImages(images, 0, 6),
    });
    for (const { name } of model.trainables) {
      // A task with one class has nothing to learn, so the gradient is that of `few`.
      const wanted = named(alone, gradientName(name)).data;
      named(both, gradientName(name)).data.forEach((x, i) => expect(x).toBeCloseTo(wanted[i]!, 6));
    }
  });
});

it('stacks heads with a mask that leaves out absent classes', () => {
  const { weights, mask } = stackHeads([heads[0]!, heads[2]!], 3);
  expect(weights.shape).toEqual([2, 3, 16]);
  expect(mask.shape).toEqual([2, 1, 3]);
  expect([...mask.data].map((x) => x === 0)).toEqual([true, true, false, true, false, false]);
  expect(weights.data.subarray(0, 32)).toEqual(heads[0]!.weight.data);
  expect(weights.data.subarray(48, 64)).toEqual(heads[2]!.weight.data);
  expect(weights.data.subarray(64).every((x) => x === 0)).toBe(true);
});

it('is a well-formed program that takes images, heads and routers', () => {
  const shape = { tasks: 2, batch: 3, classes: 4, reduction: 'batch-mean' } as const;
  const program = adaptationStep(model, shape);
  verify(program);
  const inputs = program.parameters.filter(({ kind }) => kind === 'input').map(({ name }) => name);
  const trained = [...initialValues(model).keys()];
  expect(inputs.sort()).toEqual(['heads', 'images', 'mask', ...trained].sort());
});
