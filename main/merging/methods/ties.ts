/**
 * Follows the authors' code (prateeky2806/ties-merging): the trim is global over all tensors of a
 * task, entries equal to the threshold are all kept, and a position whose trimmed values cancel takes
 * the sign of the majority of all positions. Differences are taken in fp64 and only compared as fp32.
 */
import { BLOCK, forEachBlock } from '../blocks.ts';
import { defineMethod, type GroupSource } from '../method.ts';
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
      return { thresholds, majoritySign: await majoritySign(source, thresholds) };
    },
  },

  merge({ base, experts }, { lambda, merge }, { thresholds, majoritySign }) {
    const merged = new Float32Array(base.length);
    const trimmed = new TrimmedBlock(experts.length);
    forEachBlock(merged.length, (begin, end) => {
      trimmed.load(base, experts, thresholds, begin, end);
      for (let i = begin; i < end; i++) {
        const sign = trimmed.sums[i - begin]! || majoritySign;
        let sum = 0;
        let count = 0;
        for (let at = i - begin; at < trimmed.values.length; at += BLOCK) {
          const value = trimmed.values[at]!;
          // As in the original, a sign of zero elects the negative values.
          if (sign > 0 ? value > 0 : value < 0) {
            sum += value;
            count++;
          }
        }
        const change = merge === 'mean' ? sum / Math.max(count, 1) : sum;
        merged[i] = base[i]! + lambda * change;
      }
    });
    return merged;
  },
});

interface TiesPreparation {
  /** For each expert the least |τ| that is kept. */
  readonly thresholds: readonly number[];
  /** −1, 0 or 1. */
  readonly majoritySign: number;
}

/** The (d − ⌊d K⌋)-th smallest |τ| of every expert, d being the number of values of a model. */
async function trimThresholds(source: GroupSource, density: number): Promise<readonly number[]> {
  // The original fails here, asking for the 0-th smallest.
  if (density === 1) return Array.from({ length: source.expertCount }, () => 0);
  const rank = source.valueCount - Math.floor(source.valueCount * density);
  return selectMagnitudes(source, Math.max(rank, 1));
}

async function majoritySign(source: GroupSource, thresholds: readonly number[]): Promise<number> {
  let balance = 0;
  const trimmed = new TrimmedBlock(source.expertCount);
  for await (const { base, experts } of source.groups()) {
    forEachBlock(base.length, (begin, end) => {
      trimmed.load(base, experts, thresholds, begin, end);
      for (let i = 0; i < end - begin; i++) balance += Math.sign(trimmed.sums[i]!);
    });
  }
  return Math.sign(balance);
}

/** The trimmed task vectors τ̂k of one block of values, and their sums. */
class TrimmedBlock {
  /** The block of expert k begins at k · BLOCK. */
  readonly values: Float64Array;
  readonly sums = new Float64Array(BLOCK);

  constructor(expertCount: number) {
    this.values = new Float64Array(expertCount * BLOCK);
  }

  load(
    base: Float32Array,
    experts: readonly Float32Array[],
    thresholds: readonly number[],
    begin: number,
    end: number,
  ): void {
    const { values, sums } = this;
    sums.fill(0);
    for (const [k, expert] of experts.entries()) {
      const threshold = thresholds[k]!;
      const offset = k * BLOCK - begin;
      for (let i = begin; i < end; i++) {
        const difference = expert[i]! - base[i]!;
        const kept = Math.abs(Math.fround(difference)) >= threshold ? difference : 0;
        values[offset + i] = kept;
        sums[i - begin]! += kept;
      }
    }
  }
}
