/**
 * Follows the authors' code (AntoAndGar/task_singular_vectors): each expert keeps its ⌊k/K⌋ largest
 * singular directions, k = min(out, in). What they are multiplied by is the polar factor of all of them
 * side by side, so any orthonormal bases Qₖ, Pₖ of the kept subspaces give the same result. Directions
 * of σ = 0 change nothing of a task and take no part, where the original makes some up.
 */
import { besides } from '../../engine/linear/matrix.ts';
import type { SingularValues } from '../../engine/linear/singular-values.ts';
import { recombined, withoutZeros } from '../singular-directions.ts';
import { defineMethod } from '../method.ts';
import {
  embeddingsParameter,
  isMatrix,
  taskMatrix,
  withAverage,
  withChange,
} from '../task-matrices.ts';

export const tsvM = defineMethod({
  id: 'tsv_m',
  title: 'TSV-Merge',
  family: 'spectral',
  paper: {
    title:
      'Task singular vectors: reducing task interference in model merging (Gargiulo et al. 2025)',
    url: 'https://arxiv.org/abs/2412.00081',
  },
  summary:
    'Of the change of every weight matrix each expert keeps its few strongest singular directions; the directions of all experts are made orthogonal to one another and added up. ' +
    'So experts share the space of a layer without overwriting one another, and no coefficient must be tuned.',
  formula: 'θ = θ0 + λ polar([U1 … UK]) diag(Σ1, …, ΣK) polar([V1 … VK])ᵀ, ⌊k/K⌋ columns each',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 1,
      range: { min: -2, max: 2 },
      help: 'The share of the merged change to add; 1 needs no tuning.',
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

  async merge(group, { lambda, embeddings }, { linear }) {
    if (!isMatrix(group, embeddings)) return withAverage(group, lambda);
    const [rows = 0, columns = 0] = group.shape;
    const kept = Math.max(1, Math.floor(Math.min(rows, columns) / group.experts.length));
    const parts: SingularValues[] = [];
    for (let expert = 0; expert < group.experts.length; expert++) {
      // One at a time: eight of them would be twice what the group itself takes.
      const leading = await linear.leading(taskMatrix(group, expert), kept, 'single');
      parts.push(withoutZeros(leading));
    }
    const sigma = Float64Array.from(parts.flatMap((part) => [...part.sigma]));
    if (sigma.length === 0) return group.base.slice();
    const u = besides(parts.map((part) => part.u));
    const v = besides(parts.map((part) => part.v));
    return withChange(group.base, lambda, await recombined(linear, { u, sigma, v }));
  },
});
