/**
 * Follows the authors' code (duguodong7/pcb-merging), on the whole model. Scores are scaled by exp(−K),
 * which their min-max normalisation takes out again, so that exp cannot overflow for many tasks; they are
 * compared as fp32.
 */
import { writeChanged } from '../elementwise/arithmetic.ts';
import { lambda, none } from '../elementwise/parameters.ts';
import {
  bracketPass,
  forEachEstimated,
  scorePass,
  type FoundScores,
} from '../elementwise/score-ranges.ts';
import { KEY_BLOCK, MOST_KEY } from '../kernels/key-kernel.ts';
import { leastEstimate, type Range } from '../kernels/score-kernel.ts';
import { defineMethod } from '../method.ts';
import { numberOfKey } from '../select-counts.ts';
import { selectionPasses, type Selected } from '../select-magnitudes.ts';

/** The share of the least and of the greatest magnitudes that are clamped. */
const CLAMPED = 1e-4;
const LEAST_SUM = 1e-12;

type Prepared = Selected<'clamps'> & FoundScores;

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

export const pcb = defineMethod<typeof parameters, typeof none, Prepared>({
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
  passes: ({ ratio }) => [
    ...selectionPasses<'clamps', Prepared>('clamps', {
      scope: 'model',
      sizes: (_, count) => [
        count - Math.floor(count * CLAMPED),
        count - Math.max(0, Math.trunc(count * (1 - CLAMPED) - 1)),
      ],
    }),
    bracketPass<Prepared>(clampsOf, (count) => [
      count - Math.min(Math.floor(count * (1 - ratio)), count - 1),
      1,
    ]),
    scorePass<Prepared>(clampsOf, 2),
  ],

  merge(group, values, { prepared }) {
    const { base } = group;
    const clamps = clampsOf(prepared);
    const limits = prepared.scores!.map(([least, greatest]) => ({
      least: least!,
      greatest: greatest!,
    }));
    const merged = new Float32Array(base.length);
    const target = new Float64Array(Math.min(KEY_BLOCK, base.length));
    const sum = new Float64Array(target.length);
    forEachEstimated(
      group,
      clamps,
      (kernel, k) => {
        // All others have a share of zero.
        const places = kernel.keys.find(leastEstimate(limits[k]!.least), MOST_KEY);
        const scores = kernel.scores(k, clamps[k]!, places);
        addScored(target, sum, places, scores, kernel.changes(k, places), clamps[k]!, limits[k]!);
      },
      (begin, end) => {
        for (let i = 0; i < end - begin; i++) target[i]! /= Math.max(sum[i]!, LEAST_SUM);
        writeChanged(merged, base, target, values.lambda, 1, begin, end);
        target.fill(0);
        sum.fill(0);
      },
    );
    return merged;
  },
});

function clampsOf({ clamps }: Prepared): readonly Range[] {
  return clamps!.sets.get('')!.map(([least, greatest]) => ({
    least: numberOfKey(least!.key),
    greatest: numberOfKey(greatest!.key),
  }));
}

const clamp = (x: number, { least, greatest }: Range) => Math.min(Math.max(x, least), greatest);

/** Where in a range a value lies, from 0 to 1; 0 where the range is a single value. */
function place(x: number, range: Range): number {
  const width = range.greatest - range.least;
  return width > 0 ? (clamp(x, range) - range.least) / width : 0;
}

/** The share of each score, and the change it is the share of. */
function addScored(
  target: Float64Array,
  sum: Float64Array,
  places: Int32Array,
  scores: Float32Array,
  changes: Float64Array,
  clamps: Range,
  limits: Range,
): void {
  for (let j = 0; j < places.length; j++) {
    const i = places[j]!;
    const change = changes[j]!;
    const share = place(scores[j]!, limits);
    target[i]! += share * Math.sign(change) * clamp(Math.abs(change), clamps);
    sum[i]! += share;
  }
}
