/**
 * Tensor plans from aligned names: looks every tensor up in the headers, decides how it gets into the
 * result, and collects what does not fit.
 */
import type { StoredCheckpoint, TensorInfo } from '../../checkpoints/checkpoint.ts';
import { dtypes, type DType } from '../../checkpoints/dtype.ts';
import type { OutputDType } from '../../checkpoints/writer.ts';
import type { Method } from '../method.ts';
import type { TensorPlan, TensorSource } from '../plan.ts';
import type { AlignedTensor, ExpectedTensor } from './align.ts';
import type { Fixes } from './fixes.ts';
import { isVocabulary } from './names.ts';
import type { MergeRecipe, StoredType } from './recipe.ts';
import type { SettingsAt } from './settings-at.ts';
import type { Mismatches } from './mismatches.ts';

export interface TensorPlanner {
  readonly recipe: MergeRecipe;
  readonly method: Method;
  readonly settings: SettingsAt;
  readonly fixes: Fixes;
  /** In the order of the plan's checkpoints. */
  readonly references: readonly string[];
  readonly checkpoints: readonly StoredCheckpoint[];
  /** Of each checkpoint, the names it uses for tensors it has under others. */
  readonly tied: readonly ReadonlyMap<string, string>[];
  readonly mismatches: Mismatches;
}

/** A tensor found in a model. */
interface Found {
  readonly source: TensorSource;
  readonly info: TensorInfo;
}

const storedDTypes: Readonly<Record<Exclude<StoredType, 'keep'>, OutputDType>> = {
  fp32: 'F32',
  fp16: 'F16',
  bf16: 'BF16',
};

function outputDType(wanted: StoredType, stored: DType): OutputDType {
  if (wanted !== 'keep') return storedDTypes[wanted];
  return stored === 'F16' || stored === 'BF16' ? stored : 'F32';
}

const floats: ReadonlySet<DType> = new Set(['F16', 'BF16', 'F32', 'F64']);
const unreadable = (dtype: DType): boolean => dtypes[dtype].toFp32 === 'none';

/** The plan of one tensor; undefined where it does not get into the result, or a finding says why. */
export function planTensor(tensor: AlignedTensor, planner: TensorPlanner): TensorPlan | undefined {
  const expected = tensor.base === undefined ? tensor.experts : [tensor.base, ...tensor.experts];
  const found = expected.map((part) => find(part, planner));
  const reference = found[0];
  if (reference === undefined) return undefined;
  const carried = (): TensorPlan => carryOver(tensor.name, reference, planner);
  if (!floats.has(reference.info.dtype) && !unreadable(reference.info.dtype)) return carried();

  const { mismatches, fixes } = planner;
  let fits = true;
  for (const [index, part] of found.entries()) {
    const { model } = expected[index]!;
    if (part === undefined) {
      fits = false;
      mismatches.missing(model, expected[index]!.tensor);
    } else if (!floats.has(part.info.dtype)) {
      fits = false;
      mismatches.unmergeable(model, part.info);
    } else if (!sameShape(part.info.shape, reference.info.shape)) {
      fits = false;
      const rows = isVocabulary(tensor.name) && differOnlyInRows(part.info, reference.info);
      const models = [expected[0]!.model, model] as const;
      if (rows) mismatches.vocabulary(tensor.name, models, [reference.info, part.info]);
      else mismatches.shape(tensor.name, models, [reference.info, part.info]);
    }
  }
  if (!fits) return fixes.intersection ? carried() : undefined;
  return merged(tensor, found as readonly Found[], reference, planner);
}

function merged(
  tensor: AlignedTensor,
  found: readonly Found[],
  reference: Found,
  planner: TensorPlanner,
): TensorPlan {
  const { method, recipe } = planner;
  const settings = planner.settings.of(tensor);
  const isCopy = method.id === 'passthrough' && settings.settings.every(({ scale }) => scale === 1);
  if (isCopy) return carryOver(tensor.name, found.at(-1)!, planner);
  const sources = found.map(({ source }) => source);
  return {
    kind: 'merge',
    name: tensor.name,
    shape: reference.info.shape,
    dtype: outputDType(recipe.dtype, reference.info.dtype),
    base: tensor.base === undefined ? undefined : sources[0],
    experts: tensor.base === undefined ? sources : sources.slice(1),
    settings,
  };
}

/** Stored bytes as they are, or only rounded to the dtype of the result. */
function carryOver(name: string, { source, info }: Found, planner: TensorPlanner): TensorPlan {
  const dtype = outputDType(planner.recipe.dtype, info.dtype);
  const asStored = planner.recipe.dtype === 'keep' || dtype === info.dtype;
  if (asStored || !floats.has(info.dtype)) return { kind: 'copy', name, from: source };
  return { kind: 'cast', name, shape: info.shape, dtype, from: source };
}

function find(
  { model, tensor }: ExpectedTensor,
  { references, checkpoints, tied, mismatches }: TensorPlanner,
): Found | undefined {
  const checkpoint = references.indexOf(model);
  const tensors = checkpoints[checkpoint]?.tensors;
  const stored = tensors?.get(tensor);
  if (stored !== undefined) return { source: { checkpoint, tensor }, info: stored };
  const other = tied[checkpoint]?.get(tensor);
  const info = other === undefined ? undefined : tensors?.get(other);
  if (info === undefined) return undefined;
  mismatches.tied(model, tensor);
  return { source: { checkpoint, tensor: info.name }, info };
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function differOnlyInRows({ shape: a }: TensorInfo, { shape: b }: TensorInfo): boolean {
  return sameShape(a.slice(1), b.slice(1)) && a.length > 0 && b.length > 0;
}
