/** The parameters of the best step of an adaptation so far, by the criterion of adaptation/step-criterion.ts. */
import type { AdaptationState } from '../adaptation/adapt.ts';
import type { AdamState } from '../adaptation/adam.ts';
import type { StepCriterion, StepCriterionState } from '../adaptation/step-criterion.ts';
import type { Tensor } from '../lib/tensor.ts';

/** All of it, so that a resumed adaptation goes on comparing where it was. */
export interface BestStepState {
  /** The step after which `values` were the parameters, and its score. */
  readonly step: number;
  readonly score: number;
  readonly values: ReadonlyMap<string, Tensor>;
  /** What else an adaptation needs to go on from there; kept only if it may. */
  readonly onward?: { readonly adam: AdamState; readonly criterion: StepCriterionState } | undefined;
}

export class BestStep {
  #state: BestStepState | undefined;
  readonly #onward: boolean;

  /** `onward`: whether an adaptation may go on from the best step. */
  constructor({ onward }: { onward: boolean }, state?: BestStepState) {
    this.#state = state;
    this.#onward = onward;
  }

  /** Takes note of a step; its parameters are copied when it is the best one. */
  offer({ step, values, adam }: AdaptationState, criterion: StepCriterion): void {
    const { score } = criterion;
    if (!(score < (this.#state?.score ?? Infinity))) return;
    const before = this.#state;
    const onward = this.#onward && {
      adam: {
        first: copied(adam.first, before?.onward?.adam.first),
        second: copied(adam.second, before?.onward?.adam.second),
      },
      criterion: criterion.state,
    };
    const kept = new Map<string, Tensor>();
    for (const [name, { shape, data }] of values) {
      kept.set(name, { shape, data: copy(data, before?.values.get(name)?.data) });
    }
    this.#state = { step, score, values: kept, ...(onward && { onward }) };
  }

  get state(): BestStepState | undefined {
    return this.#state;
  }
}

function copied(
  arrays: ReadonlyMap<string, Float32Array>,
  into: ReadonlyMap<string, Float32Array> | undefined,
): Map<string, Float32Array> {
  return new Map([...arrays].map(([name, data]) => [name, copy(data, into?.get(name))]));
}

/** Into an array that is there already, where there is one. */
function copy(data: Float32Array, into: Float32Array | undefined): Float32Array {
  if (into === undefined) return data.slice();
  into.set(data);
  return into;
}
