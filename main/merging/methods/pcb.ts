/**
 * Follows the authors' code (duguodong7/pcb-merging), on the whole model. Scores are scaled by exp(−K),
 * which their min-max normalisation takes out again, so that exp cannot overflow for many tasks; they are
 * compared as fp32.
 */
import { BLOCK, forEachBlock } from '../blocks.ts';
import { addScaledDifference, subtract, writeChanged } from '../elementwise/arithmetic.ts';
import { lambda, none } from '../elementwise/parameters.ts';
import { ScoreKernel, type Range } from '../kernels/score-kernel.ts';
import { defineMethod, type Group } from '../method.ts';
import { numberOfKey } from '../select-counts.ts';
import { selectionPasses, type Selected } from '../select-magnitudes.ts';

/** The share of the least and of the greatest magnitudes that are clamped. */
const CLAMPED = 1e-4;
const LEAST_SUM = 1e-12;

type Prepared = Selected<'clamps' | 'scores'>;

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
        const [clamps] = rangesOf(prepared, 'clamps', [list]);
        target.set(scoresOf(group, list, clamps!, begin, end));
      },
    }),
  ],

  merge(group, values, { prepared }) {
    const { base, experts } = group;
    const all = [...experts.keys()];
    const clamps = rangesOf(prepared, 'clamps', all);
    const limits = rangesOf(prepared, 'scores', all);
    const merged = new Float32Array(base.length);
    const change = new Float64Array(Math.min(BLOCK, base.length));
    const [target, sum] = [new Float64Array(change.length), new Float64Array(change.length)];
    forEachBlock(base.length, (begin, end) => {
      target.fill(0);
      sum.fill(0);
      for (const k of all) {
        subtract(change, experts[k]!, base, begin, end);
        const scores = scoresOf(group, k, clamps[k]!, begin, end);
        addScored(target, sum, scores, change, clamps[k]!, limits[k]!, end - begin);
      }
      for (let i = 0; i < end - begin; i++) target[i]! /= Math.max(sum[i]!, LEAST_SUM);
      writeChanged(merged, base, target, values.lambda, 1, begin, end);
    });
    return merged;
  },
});

function rangesOf(
  prepared: Prepared,
  name: 'clamps' | 'scores',
  experts: readonly number[],
): readonly Range[] {
  const sets = prepared[name]!.sets.get('')!;
  return experts.map((k) => ({
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

let kernel: ScoreKernel | undefined;
/** Σ τj of the group that was asked for last. */
let known: { readonly group: Group; readonly sums: Float64Array } | undefined;

function sumsOf(group: Group): Float64Array {
  if (known?.group === group) return known.sums;
  const { base, experts } = group;
  const sums = new Float64Array(base.length);
  forEachBlock(base.length, (begin, end) => {
    const own = sums.subarray(begin, end);
    for (const expert of experts) addScaledDifference(own, expert, base, 1, begin, end);
  });
  known = { group, sums };
  return sums;
}

/** Those of an expert, valid until the next are asked for. */
function scoresOf(
  group: Group,
  expert: number,
  clamps: Range,
  begin: number,
  end: number,
): Float32Array {
  kernel ??= new ScoreKernel();
  const { base, experts } = group;
  const cut = <T extends Float32Array | Float64Array>(values: T) =>
    values.subarray(begin, end) as T;
  return kernel.scores(
    cut(experts[expert]!),
    cut(base),
    cut(sumsOf(group)),
    clamps,
    experts.length,
  );
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
