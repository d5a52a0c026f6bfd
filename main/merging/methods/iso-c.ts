/**
 * Follows the authors' code (danielm1405/iso-merging): σ̄ is the mean of all min(out, in) singular
 * values, zeros included. Where the sum of the changes is rank-deficient, the directions of σ = 0 stay
 * without part, where the original makes some up.
 */
import { defineMethod } from '../method.ts';
import {
  embeddingsParameter,
  isMatrix,
  sumOfTasks,
  withAverage,
  withChange,
} from '../task-matrices.ts';

export const isoC = defineMethod({
  id: 'iso_c',
  title: 'Iso-C',
  family: 'spectral',
  paper: {
    title: 'No task left behind: isotropic model merging (Marczak et al. 2025)',
    url: 'https://arxiv.org/abs/2502.04959',
  },
  summary:
    'The changes of all experts to a weight matrix are added up, and all singular values of the sum are set to their mean. ' +
    'Directions that only few experts share are no longer drowned by those that most have in common.',
  formula: 'θ = θ0 + λ σ̄ U Vᵀ, U Σ Vᵀ = Σ (θk − θ0), σ̄ = mean of Σ',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 1,
      range: { min: -2, max: 2 },
      help: 'The share of the merged change to add; the authors tuned it to 1.3 for 8 experts, 1 for 14 and 0.9 for 20 (ViT-B/32).',
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
    const sum = sumOfTasks(group);
    const isotropic = await linear.polar(sum, 'single');
    // The sum of the singular values is the trace of polar(A)ᵀ A.
    let trace = 0;
    for (let i = 0; i < sum.data.length; i++) trace += isotropic.data[i]! * sum.data[i]!;
    const mean = trace / Math.min(sum.rows, sum.columns);
    return withChange(group.base, lambda * mean, isotropic);
  },
});
