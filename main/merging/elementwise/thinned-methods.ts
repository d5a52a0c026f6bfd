/** The methods that are a thinning of task vectors, then their sum or what agrees in sign. */
import type { ParameterTable, ParameterValues } from '../../lib/parameters.ts';
import type { Group, MergeContext } from '../method.ts';
import { mergeTaskVectors } from './merge-task-vectors.ts';
import type { ElectionParameters } from './parameters.ts';
import type { Prepared, Thinning } from './thinnings.ts';
import { divisorOf, weightsOf } from './weights.ts';

type Context = MergeContext<ParameterTable, Prepared>;

interface Shared {
  readonly lambda: number;
}

/** θ0 + λ Σ wk τ̃k, divided by Σ wk where `normalize` says so. */
export function sumThinned(
  { thin, masking, wholeRows }: Thinning,
  group: Group,
  parameters: ParameterValues & Shared & { readonly normalize: boolean },
  context: Context,
): Float32Array {
  return mergeTaskVectors(group, {
    weights: weightsOf(context.settings),
    lambda: parameters.lambda,
    divisor: divisorOf(context.settings, parameters.normalize),
    sparsify: thin(group, parameters, context),
    masking: masking?.(group, parameters, context),
    wholeRows,
  });
}

/** θ0 + λ × the τ̃k that agree with the elected sign; an even vote is positive, as in mergekit. */
export function electThinned(
  { thin, masking, wholeRows }: Thinning,
  group: Group,
  parameters: ParameterValues & Shared & ElectionParameters,
  context: Context,
): Float32Array {
  const { vote, weigh, merge, lambda } = parameters;
  return mergeTaskVectors(group, {
    weights: weightsOf(context.settings),
    lambda,
    election: { vote, weigh, merge, evenSign: 1 },
    sparsify: thin(group, parameters, context),
    masking: masking?.(group, parameters, context),
    wholeRows,
  });
}
