/** Values at evenly spaced positions of all models, to guess by what can then be found out exactly. */
import type { Group, MergeTotals } from '../method.ts';

/** Positions, about. */
const MOST_POSITIONS = 2 ** 19;

/** Plain data, which threads can exchange; each has its own positions. */
export interface ValueSample {
  readonly step: number;
  /** Values of the base, then of each expert. */
  readonly models: readonly Float32Array[];
  count: number;
  /** How many values come before the next position. */
  ahead: number;
}

/** Odd, for most rows have an even number of values. */
const stepOf = (valueCount: number): number =>
  valueCount <= MOST_POSITIONS ? 1 : Math.floor(valueCount / MOST_POSITIONS) | 1;

const capacityOf = ({ valueCount }: MergeTotals): number =>
  Math.ceil(valueCount / stepOf(valueCount));

export const sampleBytes = (totals: MergeTotals): number =>
  4 * (totals.expertCount + 1) * capacityOf(totals);

export function emptySample(totals: MergeTotals): ValueSample {
  const models = Array.from(
    { length: totals.expertCount + 1 },
    () => new Float32Array(capacityOf(totals)),
  );
  return { step: stepOf(totals.valueCount), models, count: 0, ahead: 0 };
}

export function addToSample(sample: ValueSample, { base, experts }: Group): void {
  const values = [base, ...experts];
  const { step, models, ahead } = sample;
  const count = Math.max(Math.ceil((base.length - ahead) / step), 0);
  for (const [index, model] of models.entries()) {
    takeEvery(model, sample.count, values[index]!, ahead, step);
  }
  sample.count += count;
  sample.ahead = ahead + count * step - base.length;
}

function takeEvery(
  target: Float32Array,
  at: number,
  values: Float32Array,
  begin: number,
  step: number,
): void {
  let to = at;
  for (let i = begin; i < values.length; i += step) target[to++] = values[i]!;
}

export function addSample(into: ValueSample, later: ValueSample): void {
  const room = (into.models[0]?.length ?? 0) - into.count;
  const count = Math.min(later.count, room);
  for (const [index, model] of into.models.entries()) {
    model.set(later.models[index]!.subarray(0, count), into.count);
  }
  into.count += count;
}

/** As a group of so many values. */
export function groupOf({ models, count }: ValueSample): Pick<Group, 'base' | 'experts'> {
  const [base, ...experts] = models.map((model) => model.subarray(0, count));
  return { base: base!, experts };
}
