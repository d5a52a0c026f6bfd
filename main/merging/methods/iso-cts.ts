/**
 * Follows the authors' code (danielm1405/iso-merging): the common part has ⌊share · k⌋ directions,
 * moved so that the rest divides by the number of experts; the residual of an expert is projected on the left
 * alone. Directions of σ = 0 take no part, where the original makes some up.
 */
import { besides, columnRange, type Matrix } from '../../engine/linear/matrix.ts';
import type { PairedBases } from '../../engine/linear/single-subspace.ts';
import type { SingularValues } from '../../engine/linear/singular-values.ts';
import type { LinearAlgebra } from '../linear-algebra.ts';
import { defineMethod } from '../method.ts';
import { recombined, withoutZeros } from '../singular-directions.ts';
import {
  embeddingsParameter,
  isMatrix,
  sumOf,
  taskMatrices,
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
    const tasks = taskMatrices(group);
    const [rows = 0, columns = 0] = group.shape;
    const { shared, own } = directionCounts(Math.min(rows, columns), tasks.length, common);
    const together = await commonPart(linear, sumOf(tasks), shared);
    const parts: SingularValues[] = [];
    for (const task of own === 0 ? [] : tasks) {
      const outside = await linear.withoutSpan(task, together.u);
      parts.push(withoutZeros(await linear.leading(outside, own, 'single')));
    }
    let total = together.sum;
    for (const { sigma } of parts) for (const value of sigma) total += value;
    const u = besides([...parts.map((part) => part.u), together.u]);
    if (u.columns === 0) return group.base.slice();
    const v = besides([...parts.map((part) => part.v), together.v]);
    const sigma = new Float64Array(u.columns).fill(total / (shared + own * tasks.length));
    return withChange(group.base, lambda, await recombined(linear, { u, sigma, v }));
  },
});

/** The directions that the sum of the changes has most of. */
async function commonPart(linear: LinearAlgebra, sum: Matrix, count: number): Promise<PairedBases> {
  const found = await linear.subspace(sum, count);
  if (found !== undefined) return found;
  const { u, sigma, v } = await linear.svd(sum);
  const kept = withoutZeros({
    u: columnRange(u, 0, count),
    sigma: sigma.subarray(0, count),
    v: columnRange(v, 0, count),
  });
  return { ...kept, sum: kept.sigma.reduce((all, value) => all + value, 0) };
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
