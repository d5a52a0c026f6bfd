/**
 * Follows the authors' code (prateeky2806/ties-merging): the trim is global over all tensors of a
 * task, entries equal to the threshold are all kept, and a position whose trimmed values cancel takes
 * the sign of the majority of all positions. Differences are taken in fp64 and only compared as fp32.
 */
import { defineMethod, type Group, type GroupSource } from '../method.ts';
import { SELECTION_PASSES, selectMagnitudes } from '../select-magnitudes.ts';

export const ties = defineMethod({
  id: 'ties',
  title: 'TIES-Merging',
  paper: {
    title: 'TIES-Merging: resolving interference when merging models (Yadav et al. 2023)',
    url: 'https://arxiv.org/abs/2306.01708',
  },
  summary:
    'Each task vector keeps only its largest changes; at every weight the experts elect a sign, and only changes of that sign are added to the base. ' +
    'This keeps small and contradicting changes from drowning the important ones.',
  formula: 'θ = θ0 + λ Σ { τ̂k : sign τ̂k = sign Σ τ̂j }, τ̂k = largest values of θk − θ0',
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

  preparation: {
    passes: ({ density }) => (density === 1 ? 1 : SELECTION_PASSES + 1),
    async run(source: GroupSource, { density }): Promise<TiesPreparation> {
      const thresholds = await trimThresholds(source, density);
      return { thresholds, majoritySign: await majorityOf(source, thresholds) };
    },
  },

  merge({ base, experts }, { lambda, merge }, { thresholds, majoritySign }) {
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

interface TiesPreparation {
  /** For each expert the least |τ| that is kept; positive, so that no change is never kept. */
  readonly thresholds: readonly number[];
  /** −1, 0 or 1. */
  readonly majoritySign: number;
}

const LEAST_POSITIVE_FP32 = 2 ** -149;

/** The (d − ⌊d K⌋)-th smallest |τ| of every expert, d being the number of values of a model. */
async function trimThresholds(source: GroupSource, density: number): Promise<readonly number[]> {
  const { expertCount, valueCount } = source;
  const rank = Math.max(valueCount - Math.floor(valueCount * density), 1);
  // The original fails on density 1, asking for the 0-th smallest.
  const magnitudes =
    density === 1
      ? Array.from({ length: expertCount }, () => 0)
      : await selectMagnitudes(source, rank);
  return magnitudes.map((magnitude) => Math.max(magnitude, LEAST_POSITIVE_FP32));
}

/** Of the elected signs of all positions. */
async function majorityOf(source: GroupSource, thresholds: readonly number[]): Promise<number> {
  let balance = 0;
  for await (const group of source.groups()) balance += signBalance(group, thresholds);
  return Math.sign(balance);
}

function signBalance({ base, experts }: Group, thresholds: readonly number[]): number {
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
