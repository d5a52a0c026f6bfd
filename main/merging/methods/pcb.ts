/**
 * Follows the authors' code (duguodong7/pcb-merging), on the whole model. Scores are scaled by exp(−K),
 * which their min-max normalisation takes out again, so that exp cannot overflow for many tasks; they are
 * compared as fp32.
 */
import { lambda, none } from '../elementwise/parameters.ts';
import { forEachScoreBlock, rangePasses, type ScoreRanges } from '../elementwise/score-ranges.ts';
import { sieveFrom } from '../kernels/score-kernel.ts';
import { defineMethod } from '../method.ts';

/** The share of the least and of the greatest magnitudes that are clamped. */
const CLAMPED = 1e-4;

const parameters = {
  ratio: {
    kind: 'number',
    title: 'Share to keep',
    default: 0.1,
    range: { min: 0.001, max: 1 },
    help: 'The share of each task vector with the best scores to keep; 0.05 to 0.1 is usual.',
  },
  lambda: {
    ...lambda,
    default: 1.2,
    help: 'The share of the merged task vector to add to the base; about 1.2 in the paper.',
  },
} as const;

export const pcb = defineMethod<typeof parameters, typeof none, ScoreRanges>({
  id: 'pcb',
  title: 'PCB-Merging',
  family: 'sparse',
  paper: {
    title: 'Parameter competition balancing for model merging (Du et al. 2024)',
    url: 'https://arxiv.org/abs/2410.02396',
  },
  summary:
    'Scores every change by its size within its task and by how it agrees with the other tasks, drops those of low score and averages the others by their scores. ' +
    'All of it is measured over the whole model.',
  formula: 'θ = θ0 + λ Σ sk ⊙ τ̂k / Σ sk, sk = kept part of exp(K m(|τk|)²) tanh(τk ⊙ Σ τj)',
  follows: "the authors' code, without its search for λ",
  inputs: { base: 'required', experts: { min: 1 } },
  parameters,
  perExpert: none,
  laws: {
    base_copies: {},
    zero_scale: { lambda: 0 },
    scale_linear: {},
    negation: {},
    sharding: {},
  },
  unit: 'value',
  passes: ({ ratio }) =>
    rangePasses({
      tails: (count) => ({
        least: Math.floor(count * CLAMPED) + 1,
        greatest: count - Math.max(0, Math.trunc(count * (1 - CLAMPED) - 1)),
      }),
      score: (count) => count - Math.min(Math.floor(count * (1 - ratio)), count - 1),
    }),

  merge(group, values, { prepared: { clamps, limits } }) {
    const merged = new Float32Array(group.base.length);
    // All others have a share of zero.
    const sieves = limits!.map(({ least }) => sieveFrom(least));
    forEachScoreBlock(group, (kernel, begin) => {
      for (const [k, range] of clamps.entries()) {
        const { places } = kernel.sift(k, range, sieves[k]!);
        kernel.addShares(k, range, limits![k]!, places);
      }
      merged.set(kernel.merge(values.lambda), begin);
    });
    return merged;
  },
});
