/**
 * Fisher-weighted averaging (Matena and Raffel 2022): every weight is averaged over the experts in
 * proportion to its Fisher information. F = E[(∂ log p(y|x)/∂θ)²], one gradient per image, with y drawn
 * from the expert's own prediction: no label is needed. (Widely used ports square the gradient of a
 * whole batch instead, which is another quantity.)
 */
import type { Executable } from '../../engine/engine.ts';
import { Builder } from '../../graph/builder.ts';
import { gradient, gradientName } from '../../graph/gradient.ts';
import type { Program, Value } from '../../graph/program.ts';
import { breather } from '../../lib/breath.ts';
import { randomStream, type RandomStream } from '../../lib/random.ts';
import { elementCount, type Tensor, type TensorMap } from '../../lib/tensor.ts';
import { normalise, type Head } from '../../models/head.ts';
import { staticModel, type MergedModel } from '../../models/merged-model.ts';
import { imageShape, visionTensors } from '../../models/vit.ts';
import { tensorNamed } from '../dictionary.ts';
import { availableImages, chosenImages } from './images.ts';
import { defineStatisticsMethod, imageCount, type StatisticsContext } from './method.ts';

/** By tensor, in fp64. */
type Sums = ReadonlyMap<string, Float64Array>;

export const fisher = defineStatisticsMethod({
  id: 'fisher',
  title: 'Fisher merging',
  paper: {
    title: 'Merging models with Fisher-weighted averaging (Matena and Raffel 2022)',
    url: 'https://arxiv.org/abs/2111.09832',
  },
  summary:
    'Averages every weight over the experts, giving more say to an expert whose predictions depend on that weight. ' +
    'How much they depend is measured on unlabelled images of its task.',
  formula: 'θ = Σ Fk θk / Σ Fk, Fk = E[(∂ log p(y|x) / ∂θ)²]',
  parameters: {
    images: {
      ...imageCount,
      default: 64,
      help: 'One backward pass for each; 256 are customary, 64 come close.',
    },
    normalize: {
      kind: 'boolean',
      title: 'Same total for every expert',
      default: true,
      help: 'Divides each expert’s Fisher information by its norm, so that a task with unsure predictions does not outweigh the others.',
    },
    floor: {
      kind: 'number',
      title: 'Floor',
      default: 1e-6,
      range: { min: 1e-30, max: 1 },
      help: 'Added to every Fisher information; where all of them are near zero the result is the plain average.',
    },
  },

  async merge({ images, normalize, floor }, context) {
    const { set, tasks } = context;
    const zeros = () => emptySums(context);
    const [weighted, total] = [zeros(), zeros()];
    const count = tasks.reduce((sum, task) => sum + availableImages(task, images), 0);
    let before = 0;
    const breathe = breather();
    for (const [k, weights] of set.experts.entries()) {
      const done = (within: number) => {
        context.onProgress(before + within, count);
      };
      const information = await fisherInformation(k, images, context, done);
      const scale = normalize ? 1 / (norm(information) || 1) : 1;
      for (const [name, values] of information) {
        const [top, bottom] = [weighted.get(name)!, total.get(name)!];
        const { data } = tensorNamed(weights, name);
        for (let i = 0; i < values.length; i++) {
          const weight = values[i]! * scale + floor;
          top[i]! += weight * data[i]!;
          bottom[i]! += weight;
        }
        await breathe();
      }
      const task = tasks[k];
      before += task === undefined ? 0 : availableImages(task, images);
    }
    return quotient(weighted, total, context);
  },
});

/** The diagonal Fisher information of expert `k` on the images of its task. */
async function fisherInformation(
  k: number,
  images: number,
  context: StatisticsContext,
  onImage: (done: number) => void,
): Promise<Sums> {
  const { engine, set, tasks, seed } = context;
  const [weights, task] = [set.experts[k], tasks[k]];
  if (weights === undefined || task === undefined) throw new Error(`expert ${k} has no task`);
  const model = staticModel({ config: set.config, weights });
  const constants = new Map([...model.constants, ['head', task.head.weight]]);
  const [forward, backward] = likelihoodPrograms(model, task.head);
  const predict = await engine.compile(forward, constants);
  const score = await engine.compile(backward, constants).catch(async (error: unknown) => {
    await predict.dispose();
    throw error;
  });
  const information = emptySums(context);
  const random = randomStream(seed, 'fisher', task.images.task);
  const breathe = breather();
  let done = 0;
  try {
    for await (const image of chosenImages(task, images, 1, context)) {
      const target = await drawnClass(predict, image, random);
      const slopes = await score.run({ images: image, target });
      for (const [name, sum] of information) {
        addSquares(sum, slopes[gradientName(name)]?.data);
        await breathe();
      }
      onImage(++done);
    }
  } finally {
    await score.dispose();
    await predict.dispose();
  }
  for (const sum of information.values()) for (let i = 0; i < sum.length; i++) sum[i]! /= done;
  return information;
}

/** p(y|x) of one image, and the gradients of log p of the class that `target` [1, C] marks. */
function likelihoodPrograms(model: MergedModel, { weight }: Head): [Program, Program] {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, 1));
  const { features } = model.encode(g, images, { reduction: 'per-sample', groups: 1 });
  const head = g.constant('head', weight.shape);
  const logits: Value = g.matmul(normalise(g, features), head, { transposeRight: true });
  const forward = g.build('prediction', { p: g.softmax(logits) });
  const target = g.input('target', g.shape(logits));
  const likelihood = g.sum(g.mul(g.logSoftmax(logits), target), [0, 1]);
  const names = [...visionTensors(model.config).keys()];
  const program = g.build('log-likelihood', { likelihood });
  return [forward, gradient(program, { of: 'likelihood', withRespectTo: names })];
}

/** A class drawn from the prediction, as a row with a single 1. */
async function drawnClass(
  predict: Executable,
  images: Tensor,
  random: RandomStream,
): Promise<Tensor> {
  const { p } = await predict.run({ images });
  if (p === undefined) throw new Error('the prediction has no result "p"');
  const data = new Float32Array(p.data.length);
  let rest = random();
  let drawn = 0;
  while (drawn < data.length - 1 && rest >= p.data[drawn]!) rest -= p.data[drawn++]!;
  data[drawn] = 1;
  return { shape: p.shape, data };
}

function emptySums({ set }: StatisticsContext): Map<string, Float64Array> {
  const shapes = visionTensors(set.config);
  return new Map([...shapes].map(([name, shape]) => [name, new Float64Array(elementCount(shape))]));
}

function addSquares(sum: Float64Array, slopes: Float32Array | undefined): void {
  if (slopes === undefined) throw new Error('a gradient is missing');
  for (let i = 0; i < sum.length; i++) sum[i]! += slopes[i]! ** 2;
}

/** Of all values together, as one vector. */
function norm(sums: Sums): number {
  let squares = 0;
  for (const values of sums.values()) {
    for (let i = 0; i < values.length; i++) squares += values[i]! ** 2;
  }
  return Math.sqrt(squares);
}

function quotient(weighted: Sums, total: Sums, { set }: StatisticsContext): TensorMap {
  const merged = new Map<string, Tensor>();
  for (const [name, shape] of visionTensors(set.config)) {
    const [top, bottom] = [weighted.get(name)!, total.get(name)!];
    const data = new Float32Array(top.length);
    for (let i = 0; i < data.length; i++) data[i] = top[i]! / bottom[i]!;
    merged.set(name, { shape, data });
  }
  return merged;
}
