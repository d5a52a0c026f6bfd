/** What a model is, in a line. */
import type { WeightsCard } from '../../main/api/weights.ts';
import { bytes, counted, parameters } from './format.ts';

export function factsOf(card: WeightsCard): string {
  return [
    card.architecture ?? 'architecture unknown',
    card.format,
    card.dtypes.join(' and '),
    `${parameters(card.parameterCount)} parameters`,
    counted(card.tensorCount, 'tensor'),
    bytes(card.bytes),
  ]
    .filter((text) => text !== '')
    .join(' · ');
}
