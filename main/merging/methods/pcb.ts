/**
 * Follows the authors' code (duguodong7/pcb-merging), on the whole model. Scores are scaled by exp(−K),
 * which their min-max normalisation takes out again, so that exp cannot overflow for many tasks; they are
 * compared as fp32.
 */
import { BLOCK } from '../blocks.ts';
import { changesWithin, mergeChanges } from '../elementwise/changes.ts';
import { lambda, none } from '../elementwise/parameters.ts';
import { defineMethod } from '../method.ts';
import { numberOfKey } from '../select-counts.ts';
import { selectionPasses, type Selected } from '../select-magnitudes.ts';

/** The share of the least and of the greatest magnitudes that are clamped. */
const CLAMPED = 1e-4;
const LEAST_SUM = 1e-12;

type Prepared = Selected<'clamps' | 'scores'>;

interface Range {
  readonly least: number;
  readonly greatest: number;
}

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
    ...selectionPasses<'scores', Prepared>('scores', {
      scope: 'model',
      signed: true,
      sizes: (_, count) => [count - Math.min(Math.floor(count * (1 - ratio)), count - 1), 1],
      fill(target, list, { group, begin, end }, { prepared }) {
        const changes = changesWithin(group, begin, end);
        const clamps = rangesOf(prepared, 'clamps', group.experts.length);
        writeScores(target, changes, list, clamps[list]!, end - begin);
      },
    }),
  ],

  merge(group, values, { prepared }) {
    const count = group.experts.length;
    const clamps = rangesOf(prepared, 'clamps', count);
    const limits = rangesOf(prepared, 'scores', count);
    const scores = new Float32Array(Math.min(BLOCK, group.base.length));
    const sum = new Float64Array(scores.length);
    return mergeChanges(group, values.lambda, (target, changes, length) => {
      target.fill(0);
      sum.fill(0);
      for (let k = 0; k < count; k++) {
        writeScores(scores, changes, k, clamps[k]!, length);
        addScored(target, sum, scores, changes[k]!, clamps[k]!, limits[k]!, length);
      }
      for (let i = 0; i < length; i++) target[i]! /= Math.max(sum[i]!, LEAST_SUM);
    });
  },
});

function rangesOf(prepared: Prepared, name: 'clamps' | 'scores', count: number): readonly Range[] {
  const sets = prepared[name]!.sets.get('')!;
  return Array.from({ length: count }, (_, k) => ({
    least: numberOfKey(sets[k]![0]!.key),
    greatest: numberOfKey(sets[k]![1]!.key),
  }));
}

const clamp = (x: number, { least, greatest }: Range) => Math.min(Math.max(x, least), greatest);

/** Where in a range a value lies, from 0 to 1; 0 where the range is a single value. */
function place(x: number, range: Range): number {
  const width = range.greatest - range.least;
  return width > 0 ? (clamp(x, range) - range.least) / width : 0;
}

function writeScores(
  target: Float32Array,
  changes: readonly Float64Array[],
  k: number,
  clamps: Range,
  count: number,
): void {
  const tasks = changes.length;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let j = 0; j < tasks; j++) sum += changes[j]![i]!;
    const own = changes[k]![i]!;
    const size = place(Math.abs(own), clamps);
    target[i] = Math.exp(tasks * (size * size - 1)) * Math.tanh(own * sum);
  }
}

function addScored(
  target: Float64Array,
  sum: Float64Array,
  scores: Float32Array,
  change: Float64Array,
  clamps: Range,
  limits: Range,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const score = place(scores[i]!, limits);
    target[i]! += score * Math.sign(change[i]!) * clamp(Math.abs(change[i]!), clamps);
    sum[i]! += score;
  }
}
