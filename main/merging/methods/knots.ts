/**
 * The authors' code (gstoica27/KnOTS) merges adapters; on full differences the same holds, with a
 * singular value decomposition of out × (K in) for each matrix. Differences from it: the trim counts within a
 * tensor, not over all of them, and every expert has its own weight, where the original gives all of them the first.
 */
import { besides, columnRange, scaleColumns } from '../../engine/linear/matrix.ts';
import { defineMethod } from '../method.ts';
import { mergeAligned } from '../aligned-blocks.ts';
import {
  embeddingsParameter,
  isMatrix,
  taskMatrices,
  withAverage,
  withChange,
} from '../task-matrices.ts';

export const knots = defineMethod({
  id: 'knots',
  title: 'KnOTS',
  family: 'spectral',
  paper: {
    title: 'Model merging with SVD to tie the knots (Stoica et al. 2025)',
    url: 'https://arxiv.org/abs/2410.19735',
  },
  summary:
    'The changes of all experts to a weight matrix are first written in one common basis of outputs, found by a singular value decomposition, and then merged entry by entry. ' +
    'Made for low-rank adapters, whose changes otherwise hardly line up.',
  formula: 'θ = θ0 + λ U Σ merge(V1, …, VK)ᵀ, U Σ [V1ᵀ … VKᵀ] = [θ1 − θ0 … θK − θ0]',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    merge: {
      kind: 'choice',
      title: 'Merge in the common basis',
      default: 'ties',
      range: ['ties', 'linear'],
      help: 'TIES (trim, elect signs, mean of those that agree), or the plain sum, which equals task arithmetic.',
    },
    density: {
      kind: 'number',
      title: 'Density K',
      default: 0.2,
      range: { min: 0.001, max: 1 },
      help: 'The share of the entries of each expert that TIES keeps.',
    },
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 1,
      range: { min: -2, max: 2 },
      help: 'The share of the merged change to add.',
    },
    digits: {
      kind: 'integer',
      title: 'Digits of the basis',
      default: 4,
      range: { min: 1, max: 15 },
      help: 'Directions whose singular value is below the largest times ten to the minus this are left out.',
    },
    embeddings: embeddingsParameter('average'),
  },
  perExpert: {
    weight: {
      kind: 'number',
      title: 'Weight',
      default: 1,
      range: { min: -2, max: 2 },
      help: 'Multiplies the change of this expert after the common basis is found.',
    },
  },
  laws: {
    base_copies: {},
    zero_scale: { lambda: 0 },
    power_of_two: {},
    negation: {},
    scale_linear: {},
  },
  unit: 'tensor',

  async merge(group, { merge, density, lambda, digits, embeddings }, { linear, settings }) {
    if (!isMatrix(group, embeddings)) return withAverage(group, lambda);
    const tasks = taskMatrices(group);
    const [rows = 0, columns = 0] = group.shape;
    const { u, sigma, v } = await linear.svd(besides(tasks));
    const least = (sigma[0] ?? 0) * 10 ** -digits;
    const small = sigma.findIndex((value) => value <= least);
    const rank = small === -1 ? sigma.length : small;
    if (rank === 0) return group.base.slice();
    const blocks = tasks.map((_, task) => ({
      rows: columns,
      columns: rank,
      data: columnRange(v, 0, rank).data.slice(task * columns * rank, (task + 1) * columns * rank),
    }));
    const weights = settings.map(({ weight }) => weight);
    const merged = mergeAligned(blocks, weights, merge === 'ties' ? density : undefined);
    const left = scaleColumns(columnRange(u, 0, rank), sigma);
    const change = await linear.multiply(left, merged, { b: true });
    return withChange(group.base, lambda, { ...change, rows, columns });
  },
});
