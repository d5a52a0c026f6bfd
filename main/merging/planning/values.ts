/**
 * Parameter values that differ by depth and name, as mergekit's YAML has them: a value, a gradient (a
 * list over the depth of the model) or conditions on the tensor's name.
 */
import { z } from 'zod';

export type PlainValue = number | boolean | string;

/** A list is a gradient over depth: numbers are interpolated, other values are chosen from. */
export type DepthValue = PlainValue | readonly PlainValue[];

export interface ConditionalValue {
  /** Part of the tensor's name; without one (or as "*") it is for all that are left. */
  readonly filter?: string | undefined;
  readonly value: DepthValue;
}

export type ParameterSetting = DepthValue | readonly ConditionalValue[];
export type ParameterSettings = Readonly<Record<string, ParameterSetting>>;

const plain = z.union([z.number(), z.boolean(), z.string()]);
const depth = z.union([plain, z.array(plain).min(1)]);
const condition = z.strictObject({ filter: z.string().min(1).nullish(), value: depth });

const settingSchema = z.union(
  [
    depth,
    condition.transform((only) => [withoutNull(only)]),
    z.array(condition.transform(withoutNull)).min(1),
  ],
  {
    error:
      'a value, a list of numbers (a gradient over depth), or a list of entries with "filter" and "value"',
  },
);

function withoutNull({ filter, value }: z.output<typeof condition>): ConditionalValue {
  return filter === null || filter === undefined ? { value } : { filter, value };
}

/** An empty entry (`weight:`) says nothing, as in mergekit. */
export const settingsSchema = z
  .record(z.string(), settingSchema.nullable())
  .nullish()
  .transform((given): ParameterSettings => {
    const entries = Object.entries(given ?? {});
    return Object.fromEntries(
      entries.flatMap(([key, setting]) => (setting === null ? [] : [[key, setting]])),
    );
  });

/** Where a tensor stands: its name, and its depth from 0 (first layer, and outside of layers) to 1. */
export interface TensorPlace {
  readonly name: string;
  readonly depth: number;
}

export function isConditions(setting: ParameterSetting): setting is readonly ConditionalValue[] {
  return Array.isArray(setting) && typeof setting[0] === 'object';
}

/** True where tensors may get different values. */
export function isVarying(setting: ParameterSetting): boolean {
  return isConditions(setting)
    ? setting.some(({ filter, value }) => filter !== undefined || isVarying(value))
    : Array.isArray(setting) && new Set(setting).size > 1;
}

/** Every value the setting can take at the points it is given for. */
export function valuesOf(setting: ParameterSetting): readonly PlainValue[] {
  if (isConditions(setting)) return setting.flatMap(({ value }) => valuesOf(value));
  return typeof setting === 'object' ? setting : [setting];
}

/** The same setting with each value replaced. */
export function mapValues(
  setting: ParameterSetting,
  change: (value: PlainValue) => PlainValue,
): ParameterSetting {
  if (isConditions(setting)) {
    return setting.map((entry) => ({ ...entry, value: mapDepth(entry.value, change) }));
  }
  return mapDepth(setting, change);
}

function mapDepth(value: DepthValue, change: (value: PlainValue) => PlainValue): DepthValue {
  return typeof value === 'object' ? value.map(change) : change(value);
}

/** The value for one tensor; undefined where no condition holds. The first that holds wins. */
export function valueAt(setting: ParameterSetting, place: TensorPlace): PlainValue | undefined {
  if (isConditions(setting)) {
    const held = setting.find(
      ({ filter }) => filter === undefined || filter === '*' || place.name.includes(filter),
    );
    return held === undefined ? undefined : valueAt(held.value, place);
  }
  return typeof setting === 'object' ? alongDepth(setting, place.depth) : setting;
}

/** Numbers piecewise linear, the points at equal distances; other values in steps. */
function alongDepth(points: readonly PlainValue[], depth: number): PlainValue | undefined {
  const position = depth * (points.length - 1);
  const before = Math.floor(position);
  const left = points[before];
  const right = points[Math.min(before + 1, points.length - 1)];
  if (typeof left !== 'number' || typeof right !== 'number') return left;
  const share = position - before;
  return (1 - share) * left + share * right;
}
