import { AppError } from '../../lib/errors.ts';
import type { ParameterValues } from '../../lib/parameters.ts';

type Settings = readonly ParameterValues[];

/** Below it weights count as adding up to nothing, as in mergekit. */
const LEAST_SUM = 1e-8;

/** A number that every expert has. */
export function numbersOf(settings: Settings, key: string): number[] {
  return settings.map((own) => own[key] as number);
}

export function weightsOf(settings: Settings): number[] {
  return numbersOf(settings, 'weight');
}

function sumOf(settings: Settings): number {
  return weightsOf(settings).reduce((sum, weight) => sum + weight, 0);
}

/** What a weighted sum is divided by: 1 where it is not normalised, or cannot be. */
export function divisorOf(settings: Settings, normalize: boolean): number {
  const sum = sumOf(settings);
  return normalize && Math.abs(sum) >= LEAST_SUM ? sum : 1;
}

/** The sum of the weights of a mean; throws `recipe.invalid_parameter` where there can be none. */
export function meanDivisor(settings: Settings, methodId: string): number {
  const sum = sumOf(settings);
  if (Math.abs(sum) >= LEAST_SUM) return sum;
  throw new AppError('recipe.invalid_parameter', {
    what: `the weights ${weightsOf(settings).join(', ')} add up to ${sum}, so there is no weighted mean`,
    where: `method "${methodId}"`,
    hint: 'give weights with a sum other than 0, or use task_arithmetic, which adds differences',
  });
}
