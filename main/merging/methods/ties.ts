/**
 * Follows the authors' code (prateeky2806/ties-merging): the trim is global over all tensors of a
 * task, entries equal to the threshold are all kept, and a position whose trimmed values cancel takes
 * the sign of the majority of all positions. Differences are taken in fp64 and only compared as fp32.
 */
import { defineMethod, definePass, type Group, type Pass } from '../method.ts';
import { selectionPasses, type Selection } from '../select-magnitudes.ts';

export const ties = defineMethod({
  id: 'ties',
  title: 'TIES-Merging',
  family: 'sparse',
  paper: {
    title: 'TIES-Merging: resolving interference when merging models (Yadav et al. 2023)',
    url: 'https://arxiv.org/abs/2306.01708',
  },
  summary:
    'Each task vector keeps only its largest changes; at every weight the experts elect a sign, and only changes of that sign are added to the base. ' +
    'This keeps small and contradicting changes from drowning the important ones.',
  formula: 'θ = θ0 + λ Σ { τ̂k : sign τ̂k = sign Σ τ̂j }, τ̂k = largest values of θk − θ0',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    density: {
      kind: 'number',
      title: 'Density K',
      default: 0.2,
      range: { min: 0.001, max: 1 },
      help: 'The share of each task vector to keep, counted over all its values; 0.2 keeps the largest 20 %.',
    },
    lambda: {
      kind: 'number',
      title: 'Scaling coefficient λ',
      default: 0.3,
      range: { min: -2, max: 2 },
      help: 'The share of the merged task vector to add: 0.3 is customary with "sum", 1 with "mean".',
    },
    merge: {
      kind: 'choice',
      title: 'Disjoint merge',
      default: 'sum',
      range: ['sum', 'mean'],
      help: 'Whether the changes that agree with the elected sign are added up, or averaged over the experts that have one.',
    },
  },
  perExpert: {},
  laws: {
    base_copies: {},
    expert_order: {},
    single_expert: { density: 1, lambda: 1 },
    identical_experts: { density: 1, lambda: 1, merge: 'mean' },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    sharding: {},
  },

  unit: 'value',

  // A density of 1 keeps everything; the original fails on it, asking for the 0-th smallest.
  passes: ({ density }): readonly Pass<TiesPreparation>[] => [
    ...(density === 1 ? [] : selectionPasses(({ valueCount }) => trimRank(valueCount, density))),
    majorityPass,
  ],

  merge({ base, experts }, { lambda, merge }, { prepared }) {
    const thresholds = thresholdsOf(prepared, experts.length);
    const { majoritySign = 0 } = prepared;
    const merged = new Float32Array(base.length);
    const mean = merge === 'mean';
    for (let i = 0; i < merged.length; i++) {
      const origin = base[i]!;
      let rise = 0;
      let rises = 0;
      let fall = 0;
      let falls = 0;
      for (let k = 0; k < experts.length; k++) {
        const difference = experts[k]![i]! - origin;
        const rounded = Math.fround(difference);
        const threshold = thresholds[k]!;
        if (rounded >= threshold) {
          rise += difference;
          rises++;
        } else if (rounded <= -threshold) {
          fall += difference;
          falls++;
        }
      }
      // As in the original, a sign that is zero after all elects the negative values.
      const rising = (rise + fall || majoritySign) > 0;
      const change = rising ? rise : fall;
      const count = mean ? Math.max(rising ? rises : falls, 1) : 1;
      merged[i] = origin + (lambda * change) / count;
    }
    return merged;
  },
});

interface TiesPreparation extends Selection {
  /** −1, 0 or 1, of the elected signs of all positions. */
  readonly majoritySign?: number;
}

const LEAST_POSITIVE_FP32 = 2 ** -149;

/** The (d − ⌊d K⌋)-th smallest of d values is the least that is kept. */
function trimRank(valueCount: number, density: number): number {
  return Math.max(valueCount - Math.floor(valueCount * density), 1);
}

/** For each expert the least |τ| that is kept; positive, so that no change is never kept. */
function thresholdsOf(prepared: TiesPreparation | undefined, expertCount: number): Float64Array {
  const thresholds = new Float64Array(expertCount).fill(LEAST_POSITIVE_FP32);
  return thresholds.map((least, expert) => Math.max(prepared?.magnitudes?.[expert] ?? 0, least));
}

const majorityPass = definePass<TiesPreparation, { balance: number }>({
  orderFree: true,
  begin: () => ({ balance: 0 }),
  add(tally, group, _parameters, { prepared }) {
    tally.balance += signBalance(group, thresholdsOf(prepared, group.experts.length));
  },
  combine(into, { balance }) {
    into.balance += balance;
  },
  finish: ({ balance }, prepared) => ({ ...prepared, majoritySign: Math.sign(balance) }),
});

function signBalance({ base, experts }: Group, thresholds: Float64Array): number {
  let balance = 0;
  for (let i = 0; i < base.length; i++) {
    const origin = base[i]!;
    let sum = 0;
    for (let k = 0; k < experts.length; k++) {
      const difference = experts[k]![i]! - origin;
      if (Math.abs(Math.fround(difference)) >= thresholds[k]!) sum += difference;
    }
    balance += Math.sign(sum);
  }
  return balance;
}
