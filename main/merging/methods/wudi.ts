/**
 * Few steps are part of the method: 300 of Adam at 1e-5 move a weight by no more than 0.003, and the
 * exact minimiser can lie far away. The norm is squared as in the paper and the ports of others; the authors'
 * code for vision models divides by the norm itself and keeps what is no linear weight as the base has it.
 */
import { combined, zeroMatrix, type Matrix, type Multiply } from '../../engine/linear/matrix.ts';
import { defineMethod } from '../method.ts';
import {
  embeddingsParameter,
  isMatrix,
  sumOfTasks,
  taskMatrices,
  withAverage,
  withChange,
} from '../task-matrices.ts';

export const wudi = defineMethod({
  id: 'wudi',
  title: 'WUDI-Merging',
  family: 'optimised',
  paper: {
    title:
      'Whoever started the interference should end it: guiding data-free model merging via task vectors (Cheng et al. 2025)',
    url: 'https://arxiv.org/abs/2503.08099',
  },
  summary:
    'From the sum of all changes a few hundred steps of Adam take away what disturbs the directions each expert changed; no data is needed. ' +
    'Slow: every step multiplies each matrix by one of its own width.',
  formula: 'θ = θ0 + λ m, m from Σ τk by Adam on Σ ‖(m − τk) τkᵀ‖² / ‖τk‖²',
  follows: 'the paper',
  variants: { authors: { norm: 'plain', others: 'base' } },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 1,
      range: { min: -2, max: 2 },
      help: 'The share of the merged change to add; 1 is customary.',
    },
    steps: {
      kind: 'integer',
      title: 'Steps',
      default: 300,
      range: { min: 0, max: 2000 },
      help: 'Steps of Adam for each matrix: 300 in the paper. More is not better; 0 gives the plain sum.',
    },
    learning_rate: {
      kind: 'number',
      title: 'Learning rate × 10⁵',
      default: 1,
      range: { min: 0, max: 100 },
      help: 'In hundred-thousandths: 1 stands for the 0.00001 of the paper.',
    },
    norm: {
      kind: 'choice',
      title: 'Weight of an expert',
      default: 'squared',
      range: ['squared', 'plain'],
      help: 'Whether an expert counts by one over the squared norm of its change, or over the norm.',
    },
    others: {
      kind: 'choice',
      title: 'Other tensors',
      default: 'average',
      range: ['average', 'base'],
      help: 'Whether vectors and embeddings are averaged, or kept as the base has them.',
    },
    embeddings: embeddingsParameter('average'),
  },
  perExpert: {},
  laws: {
    base_copies: {},
    expert_order: {},
    zero_scale: { lambda: 0 },
    negation: {},
    scale_linear: {},
  },
  unit: 'tensor',

  async merge(group, { lambda, steps, learning_rate, norm, others, embeddings }, { linear }) {
    if (!isMatrix(group, embeddings)) {
      return others === 'base' ? group.base.slice() : withAverage(group, lambda);
    }
    const tasks = taskMatrices(group);
    const start = sumOfTasks(group);
    const quadratic = await interference(linear.multiply, tasks, norm === 'squared');
    const rate = learning_rate * 1e-5;
    const change = await descend(linear.multiply, start, quadratic, steps, rate);
    return withChange(group.base, lambda, change);
  },
});

/** The objective's gradient is 2 (m A − B), A = Σ τᵀτ / n (in × in), B = Σ τ τᵀτ / n. */
interface Quadratic {
  readonly a: Matrix;
  readonly b: Matrix;
}

async function interference(
  multiply: Multiply,
  tasks: readonly Matrix[],
  squared: boolean,
): Promise<Quadratic> {
  const [{ rows, columns }] = tasks as [Matrix];
  let quadratic: Quadratic = { a: zeroMatrix(columns, columns), b: zeroMatrix(rows, columns) };
  for (const task of tasks) {
    const size = task.data.reduce((sum, value) => sum + value ** 2, 0);
    // An expert that left the matrix alone has no direction to keep.
    if (size === 0) continue;
    const weight = 1 / (squared ? size : Math.sqrt(size));
    const gram = await multiply(task, task, { a: true });
    quadratic = {
      a: combined(1, quadratic.a, weight, gram),
      b: combined(1, quadratic.b, weight, await multiply(task, gram)),
    };
  }
  return quadratic;
}

/** Adam with β = (0.9, 0.999) and ε = 1e-8, as torch has it. */
async function descend(
  multiply: Multiply,
  start: Matrix,
  { a, b }: Quadratic,
  steps: number,
  rate: number,
): Promise<Matrix> {
  const m = { ...start, data: start.data.slice() };
  const mean = new Float64Array(m.data.length);
  const square = new Float64Array(m.data.length);
  for (let step = 1; step <= steps; step++) {
    const image = await multiply(m, a);
    const meanScale = rate / (1 - 0.9 ** step);
    const squareScale = 1 / (1 - 0.999 ** step);
    for (let i = 0; i < m.data.length; i++) {
      const slope = 2 * (image.data[i]! - b.data[i]!);
      mean[i] = 0.9 * mean[i]! + 0.1 * slope;
      square[i] = 0.999 * square[i]! + 0.001 * slope ** 2;
      m.data[i]! -= (meanScale * mean[i]!) / (Math.sqrt(square[i]! * squareScale) + 1e-8);
    }
  }
  return m;
}
