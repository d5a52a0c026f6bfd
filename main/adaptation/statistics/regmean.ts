/**
 * RegMean (Jin et al. 2023): the weights of a linear layer are those whose outputs come closest, in the
 * least-squares sense, to the outputs of every expert on the inputs that layer has in that expert:
 *   W = (Σk Wk Gk) (Σk Gk)⁻¹,  Gk = XkᵀXk / n.
 * Everything that is no linear layer (norms, biases, embeddings) is averaged, as in the paper. Solved as
 * a correction of the average W̄, W = W̄ + (Σk (Wk − W̄) Gk) (Σk Gk)⁻¹: the same, but inputs that are
 * always zero keep the average instead of dividing zero by zero.
 */
import { inverseCholesky } from '../../engine/linear/inverse-cholesky.ts';
import { combined, zeroMatrix, type Matrix, type Multiply } from '../../engine/linear/matrix.ts';
import { createMatrixProduct } from '../../engine/onnx/matrix-product.ts';
import { breather } from '../../lib/breath.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
import type { Tensor, TensorMap } from '../../lib/tensor.ts';
import { staticModel } from '../../models/merged-model.ts';
import { visionTensors } from '../../models/vit.ts';
import { tensorNamed } from '../dictionary.ts';
import { availableImages, chosenImages } from './images.ts';
import { gramProgram } from './linear-inputs.ts';
import { defineStatisticsMethod, imageCount, type StatisticsContext } from './method.ts';

/** Images per call of the engine. */
const batch = 16;

/** What one linear layer adds up over the experts. */
interface Normal {
  /** Σk Gk, [in, in]. */
  gram: Matrix;
  /** Σk (Wk − W̄) Gk, [out, in]. */
  product: Matrix;
}

export const regMean = defineStatisticsMethod({
  id: 'regmean',
  title: 'RegMean',
  paper: {
    title: 'Dataless knowledge fusion by merging weights of language models (Jin et al. 2023)',
    url: 'https://arxiv.org/abs/2212.09849',
  },
  summary:
    'Chooses the weights of every linear layer so that its outputs come as close as possible to those of all experts, by least squares. ' +
    'The inputs of the layers are taken from unlabelled images of each expert’s task.',
  formula: 'W = (Σ Wk Gk) (Σ Gk)⁻¹, Gk = XkᵀXk',
  parameters: {
    images: {
      ...imageCount,
      default: 256,
      help: 'One forward pass for each; the paper uses 256 to 1600.',
    },
    off_diagonal: {
      kind: 'number',
      title: 'Off-diagonal share α',
      default: 0.9,
      range: { min: 0, max: 1 },
      help: 'Scales how much inputs that occur together count together; 0.9 in the paper, 0.95 in a common port, 0 averages by the size of each input alone.',
    },
  },

  async merge({ images, off_diagonal: share }, context) {
    const { set, tasks } = context;
    const multiply = createMatrixProduct();
    const average = averageWeights(context);
    const layers = new Map<string, Normal>();
    const total = tasks.reduce((sum, task) => sum + availableImages(task, images), 0);
    let before = 0;
    for (const [k, weights] of set.experts.entries()) {
      const report = (done: number) => {
        context.onProgress(before + done, total);
      };
      const grams = await inputGrams(k, images, share, context, report);
      for (const [name, gram] of grams) {
        throwIfCancelled(context.signal);
        const away = difference(tensorNamed(weights, name), tensorNamed(average, name));
        const product = await multiply(away, gram);
        const known = layers.get(name);
        layers.set(name, {
          gram: known === undefined ? gram : combined(1, known.gram, 1, gram),
          product: known === undefined ? product : combined(1, known.product, 1, product),
        });
      }
      const task = tasks[k];
      before += task === undefined ? 0 : availableImages(task, images);
    }
    const merged = new Map(average);
    for (const [name, normal] of layers) {
      throwIfCancelled(context.signal);
      const { shape, data } = tensorNamed(average, name);
      const correction = await solve(multiply, normal);
      merged.set(name, { shape, data: data.map((value, i) => value + correction.data[i]!) });
    }
    return merged;
  },
});

function averageWeights({ set }: StatisticsContext): TensorMap {
  const average = new Map<string, Tensor>();
  for (const [name, shape] of visionTensors(set.config)) {
    const all = set.experts.map((weights) => tensorNamed(weights, name).data);
    const data = new Float32Array(all[0]?.length ?? 0);
    for (let i = 0; i < data.length; i++) {
      let sum = 0;
      for (const values of all) sum += values[i]!;
      data[i] = sum / all.length;
    }
    average.set(name, { shape, data });
  }
  return average;
}

/** Gk of every linear layer of expert `k` by the name of its weight, off-diagonal values scaled. */
async function inputGrams(
  k: number,
  images: number,
  share: number,
  context: StatisticsContext,
  onImages: (done: number) => void,
): Promise<ReadonlyMap<string, Matrix>> {
  const { engine, set, tasks } = context;
  const [weights, task] = [set.experts[k], tasks[k]];
  if (weights === undefined || task === undefined) throw new Error(`expert ${k} has no task`);
  const model = staticModel({ config: set.config, weights });
  const { program, results } = gramProgram(model, batch);
  const sums = new Map<string, Float64Array>();
  const executable = await engine.compile(program, model.constants);
  const breathe = breather();
  let done = 0;
  try {
    for await (const input of chosenImages(task, images, batch, context)) {
      for (const [name, { data }] of Object.entries(await executable.run({ images: input }))) {
        const sum = sums.get(name) ?? new Float64Array(data.length);
        sums.set(name, sum);
        for (let i = 0; i < sum.length; i++) sum[i]! += data[i]!;
        await breathe();
      }
      onImages((done += input.shape[0] ?? 0));
    }
  } finally {
    await executable.dispose();
  }
  // Tokens per image are the same in every expert, so dividing by images is dividing by rows.
  const scaled = new Map([...sums].map(([name, sum]) => [name, scaledGram(sum, done, share)]));
  return new Map([...results].map(([weight, name]) => [weight, scaled.get(name)!]));
}

function scaledGram(sum: Float64Array, images: number, share: number): Matrix {
  const size = Math.sqrt(sum.length);
  const gram = zeroMatrix(size, size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const at = row * size + column;
      gram.data[at] = (sum[at]! / images) * (row === column ? 1 : share);
    }
  }
  return gram;
}

function difference(a: Tensor, b: Tensor): Matrix {
  const [rows = 0, columns = 0] = a.shape;
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = a.data[i]! - b.data[i]!;
  return { rows, columns, data };
}

/** product · gram⁻¹; where the inputs do not span all directions, the rest is held at zero. */
async function solve(multiply: Multiply, { gram, product }: Normal): Promise<Matrix> {
  let trace = 0;
  for (let i = 0; i < gram.rows; i++) trace += gram.data[i * gram.columns + i]!;
  const mean = trace / gram.rows;
  if (mean === 0) return zeroMatrix(product.rows, product.columns);
  for (let ridge = 1e-10; ; ridge *= 100) {
    const inverse = await inverseCholesky(multiply, withRidge(gram, ridge * mean));
    if (inverse === undefined) continue;
    return multiply(await multiply(product, inverse, { b: true }), inverse);
  }
}

function withRidge(gram: Matrix, ridge: number): Matrix {
  const data = gram.data.slice();
  for (let i = 0; i < gram.rows; i++) data[i * gram.columns + i]! += ridge;
  return { ...gram, data };
}
