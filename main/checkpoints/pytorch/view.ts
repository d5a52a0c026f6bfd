/** Views of storages: what `_rebuild_tensor_v2` describes, checked before anybody computes with it. */
import { ValueFault } from './fault.ts';
import { asKind, type TensorNode, type Value } from './values.ts';

const MAX_RANK = 64;

/** A whole number from 0 to 2^53. */
function isCount(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function invalid(problem: string): never {
  throw new ValueFault('view_invalid', problem);
}

function counts(value: Value | undefined, what: string): readonly number[] {
  const items = asKind(value, 'tuple')?.items;
  if (items?.every(isCount)) return items;
  return invalid(`the ${what} of a tensor is no tuple of whole numbers from 0`);
}

function isEmptyOrNothing(value: Value | undefined): boolean {
  return value === undefined || value === null || asKind(value, 'dict')?.entries.size === 0;
}

/** One past the last element the view touches; the offset itself for a tensor without elements. */
export function reachOf(
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): number {
  if (shape.includes(0)) return offset;
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * (strides[i] ?? 0), offset);
  return last + 1;
}

/** True when the elements lie one after another in row-major order. Strides of size-1 axes are free. */
export function isContiguous({ shape, strides }: TensorNode): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 1) continue;
    if (strides[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

/**
 * (storage, offset, size, stride, requires_grad, hooks[, metadata]) as a tensor that stays inside its
 * storage. Throws ValueFault.
 */
export function viewOf(args: readonly Value[]): TensorNode {
  const [storageValue, offset, size, stride, , hooks, metadata] = args;
  const storage = asKind(storageValue, 'storage');
  if (storage === undefined || args.length < 4 || args.length > 7) {
    throw new ValueFault(
      'pickle_value',
      'a tensor is made of other things than a storage and a view',
    );
  }
  const shape = counts(size, 'shape');
  const strides = counts(stride, 'stride');
  if (!isCount(offset)) invalid('the offset of a tensor is no whole number from 0');
  if (shape.length !== strides.length) {
    invalid(`a tensor has ${shape.length} dimensions but ${strides.length} strides`);
  }
  if (shape.length > MAX_RANK) invalid(`a tensor has more than ${MAX_RANK} dimensions`);
  if (!Number.isSafeInteger(shape.reduce((product, n) => product * n, 1))) {
    invalid(`the shape [${shape.join(', ')}] has more elements than a file can hold`);
  }
  const reach = reachOf(offset, shape, strides);
  if (!(reach <= storage.count)) {
    invalid(`a tensor reaches to element ${reach} of a storage of ${storage.count}`);
  }
  if (!isEmptyOrNothing(hooks)) invalid('a tensor has hooks, which are code');
  // Conjugated and negated views: their values are not those stored.
  if (!isEmptyOrNothing(metadata)) invalid('a tensor is a conjugated or negated view');
  return { kind: 'tensor', storage, offset, shape, strides, parameter: false };
}
