/** Ways to say how much of a difference an adapter keeps. */
import {
  resolveParameters,
  type GivenParameters,
  type ParameterPlace,
} from '../../lib/parameters.ts';
import type { ExtractionSize } from './extract.ts';
import { papers, type AdapterRecord } from './record.ts';

const fanInFanOut = {
  kind: 'boolean',
  title: 'Weights as [in, out]',
  default: false,
  help: 'The checkpoints keep the weights of linear layers as [in, out], as GPT-2 does.',
} as const;

const extracting = {
  family: 'How large the adapter is',
  formula: 'θ − θ0 = U Σ Vᵀ, B = Ur √Σr, A = √Σr Vrᵀ',
  paper: papers.lora,
};

export const extractionRecords = [
  {
    ...extracting,
    id: 'rank',
    title: 'One rank for all',
    summary:
      'Keeps the same number of the largest singular values of every weight that differs from the base.',
    parameters: {
      rank: {
        kind: 'integer',
        title: 'Rank r',
        default: 16,
        range: { min: 1, max: 65_536 },
        help: 'More keeps more of the difference and takes more room; 8 to 64 are usual.',
      },
      fan_in_fan_out: fanInFanOut,
    },
  },
  {
    ...extracting,
    id: 'energy',
    title: 'A share of the difference',
    summary:
      'Keeps as many singular values of each weight as that share of the squared norm of its difference needs. Ranks may differ between weights.',
    parameters: {
      energy: {
        kind: 'number',
        title: 'Share to keep',
        default: 0.9,
        range: { min: 0.001, max: 1 },
        help: 'Of the squared norm of the difference, weight by weight. 0.9 leaves out about a third of the length of the difference.',
      },
      fan_in_fan_out: fanInFanOut,
    },
  },
] as const satisfies readonly AdapterRecord[];

export type ExtractionId = (typeof extractionRecords)[number]['id'];

/** Throws what `resolveParameters` throws. */
export function extractionSettings(
  id: ExtractionId,
  given: GivenParameters,
  where: ParameterPlace,
): { readonly size: ExtractionSize; readonly fanInFanOut: boolean } {
  const [byRank, byEnergy] = extractionRecords;
  if (id === 'rank') {
    const { rank, fan_in_fan_out: turned } = resolveParameters(byRank, given, where);
    return { size: { rank }, fanInFanOut: turned };
  }
  const { energy, fan_in_fan_out: turned } = resolveParameters(byEnergy, given, where);
  return { size: { energy }, fanInFanOut: turned };
}
