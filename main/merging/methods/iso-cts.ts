/**
 * Follows the authors' code (danielm1405/iso-merging): the common part has ⌊share · k⌋ directions,
 * moved so that the rest divides by the number of experts; the residual of an expert is projected on the left
 * alone. Directions of σ = 0 take no part, where the original makes some up.
 */
import {
  besides,
  columnRange,
  combined,
  setBlock,
  zeroMatrix,
  type Matrix,
} from '../../engine/linear/matrix.ts';
import { orthonormalBasis } from '../../engine/linear/orthonormal.ts';
import type { WeakestDirections } from '../../engine/linear/single-weakest.ts';
import type { SingularValues } from '../../engine/linear/singular-values.ts';
import type { LinearAlgebra } from '../linear-algebra.ts';
import { defineMethod, type Group } from '../method.ts';
import { withoutZeros } from '../singular-directions.ts';
import {
  embeddingsParameter,
  isMatrix,
  sumOfTasks,
  taskMatrix,
  withAverage,
  withChange,
} from '../task-matrices.ts';

export const isoCts = defineMethod({
  id: 'iso_cts',
  title: 'Iso-CTS',
  family: 'spectral',
  paper: {
    title: 'No task left behind: isotropic model merging (Marczak et al. 2025)',
    url: 'https://arxiv.org/abs/2502.04959',
  },
  summary:
    'As Iso-C, but the weakest directions of the sum give way to the strongest that each expert has beside it. ' +
    'With many experts this keeps what is particular to a task.',
  formula:
    'θ = θ0 + λ σ̄ polar([U1 … UK Uc]) polar([V1 … VK Vc])ᵀ, Uk of (I − Uc Ucᵀ)(θk − θ0), Uc of Σ (θk − θ0)',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 1,
      range: { min: -2, max: 2 },
      help: 'The share of the merged change to add; the authors tuned it to 1.5 for 8 experts, 1.2 for 14 and 1.1 for 20 (ViT-B/32).',
    },
    common: {
      kind: 'number',
      title: 'Common share',
      default: 0.8,
      range: { min: 0, max: 1 },
      help: 'The share of the directions of a matrix that come from the sum of all experts; the rest is divided among them.',
    },
    embeddings: embeddingsParameter('matrix'),
  },
  perExpert: {},
  laws: {
    base_copies: {},
    expert_order: {},
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    negation: {},
  },
  unit: 'tensor',

  async merge(group, { lambda, common, embeddings }, { linear }) {
    if (!isMatrix(group, embeddings)) return withAverage(group, lambda);
    const [rows = 0, columns = 0] = group.shape;
    const { shared, own } = directionCounts(Math.min(rows, columns), group.experts.length, common);
    const found =
      (await besideWeakest(linear, group, shared, own)) ??
      (await besideCommon(linear, group, shared, own));
    return withChange(group.base, lambda * found.sigma, found.factor);
  },
});

/** Of the merged change: the mean of the kept singular values, and polar(U) polar(V)ᵀ. */
interface Isotropic {
  readonly sigma: number;
  readonly factor: Matrix;
}

/** As the formula says it: with all common directions. */
async function besideCommon(
  linear: LinearAlgebra,
  group: Group,
  shared: number,
  own: number,
): Promise<Isotropic> {
  const { multiply } = linear;
  const sum = sumOfTasks(group);
  const count = group.experts.length;
  const { u, sigma, v } = await linear.svd(sum);
  const together = withoutZeros({
    u: columnRange(u, 0, shared),
    sigma: sigma.subarray(0, shared),
    v: columnRange(v, 0, shared),
  });
  const parts: SingularValues[] = [];
  for (let expert = 0; own > 0 && expert < count; expert++) {
    const task = taskMatrix(group, expert);
    const inside = await multiply(together.u, await multiply(together.u, task, { a: true }));
    const outside = combined(1, task, -1, inside);
    parts.push(withoutZeros(await linear.leading(outside, own, 'single')));
  }
  parts.push(together);
  const bases = {
    u: besides(parts.map((part) => part.u)),
    v: besides(parts.map((part) => part.v)),
  };
  if (bases.u.columns === 0) return { sigma: 0, factor: sum };
  const left = await linear.polar(bases.u, 'single');
  return {
    sigma: sumOfValues(parts) / (shared + own * count),
    factor: await multiply(left, await linear.polar(bases.v, 'single'), { b: true }),
  };
}

/**
 * The same with the directions that give way alone, which are few. With Q = U Vᵀ of the sum and U⊥, V⊥ of its
 * smallest singular values Uc Vcᵀ = Q − U⊥ V⊥ᵀ. U′ = [U1 … UK] is orthogonal to Uc, so that polar([U′ Uc]) =
 * [polar(U′) Uc]. Of V′ = [V1 … VK], O is a basis of what lies outside the span of Vc, and N one of what lies in it:
 * in terms of O, N and the rest of Vc, [V′ Vc] is K = [[OᵀV′, 0], [NᵀV′, I]] beside an identity, which is its own
 * polar factor. `undefined` where one of these has less than full rank.
 */
async function besideWeakest(
  linear: LinearAlgebra,
  group: Group,
  shared: number,
  own: number,
): Promise<Isotropic | undefined> {
  const { multiply } = linear;
  const width = own * group.experts.length;
  const weakest = own === 0 ? undefined : await linear.weakest(sumOfTasks(group), width);
  if (weakest === undefined) return undefined;
  const parts: SingularValues[] = [];
  for (let expert = 0; expert < group.experts.length; expert++) {
    const task = taskMatrix(group, expert);
    const part = withoutZeros(await leadingOutside(linear, task, weakest, own));
    if (part.sigma.length < own) return undefined;
    parts.push(part);
  }
  const { factor: q } = weakest;
  const v = besides(parts.map((part) => part.v));
  const image = await multiply(q, v);
  const within = combined(
    1,
    q.rows < q.columns ? await multiply(q, image, { a: true }) : v,
    -1,
    await multiply(weakest.v, await multiply(weakest.v, v, { a: true })),
  );
  const o = await orthonormalBasis(multiply, combined(1, v, -1, within));
  const n = await orthonormalBasis(multiply, within);
  if (o === undefined || n === undefined) return undefined;
  const outer = besides([o, n]);
  const k = zeroMatrix(2 * width, 2 * width);
  setBlock(k, await multiply(outer, v, { a: true }), 0, 0);
  for (let i = width; i < 2 * width; i++) k.data[i * (2 * width + 1)] = 1;
  const inner = await linear.polar(k, 'single');
  for (let i = width; i < 2 * width; i++) inner.data[i * (2 * width + 1)]! -= 1;
  const turned = await multiply(outer, inner);
  const u = await linear.polar(besides(parts.map((part) => part.u)), 'single');
  const lost = { ...weakest.u, data: weakest.u.data.map((value) => -value) };
  const change = await linear.productOfRows(
    besides([lost, u, await multiply(q, n)]),
    besides([weakest.v, turned]),
  );
  return {
    sigma: (weakest.sum + sumOfValues(parts)) / (shared + width),
    factor: combined(1, q, 1, change),
  };
}

/** The largest singular values of (I − Uc Ucᵀ) Δ. */
async function leadingOutside(
  linear: LinearAlgebra,
  task: Matrix,
  weakest: WeakestDirections,
  own: number,
): Promise<SingularValues> {
  if (task.rows > task.columns) {
    return linear.leading(await linear.outsideOthers(task, weakest), own, 'single');
  }
  // It is U⊥ U⊥ᵀ Δ, with as few rows in the basis U⊥ as there are directions.
  const inside = await linear.multiply(weakest.u, task, { a: true });
  const { u, sigma, v } = await linear.leading(inside, own, 'single');
  return { u: await linear.multiply(weakest.u, u), sigma, v };
}

function sumOfValues(parts: readonly SingularValues[]): number {
  return parts.reduce((all, { sigma }) => sigma.reduce((sum, value) => sum + value, all), 0);
}

/** Directions of the common part, and of each expert: together `count`. */
function directionCounts(
  count: number,
  experts: number,
  common: number,
): { readonly shared: number; readonly own: number } {
  const wanted = Math.round((count - Math.floor(common * count)) / experts);
  const own = Math.min(wanted, Math.floor(count / experts));
  return { shared: count - own * experts, own };
}
