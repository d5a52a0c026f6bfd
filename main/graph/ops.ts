/**
 * The closed table of operations: attributes and shape rule of each. The other columns of the table
 * live where their subject does and are complete by type (`satisfies Record<OpName, …>`):
 * derivatives in vjp.ts, the definition of each value in engine/reference, lowerings in engine/onnx
 * and engine/tfjs.
 */
import { elementCount } from '../lib/tensor.ts';
import type { Shape } from './program.ts';

export type NoAttributes = Readonly<Record<string, never>>;

export interface Reduction {
  /** Non-negative axes, ascending. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

export interface OpAttributes {
  /** A tensor filled with one number. */
  fill: { readonly shape: Shape; readonly value: number };
  // Element-wise, two inputs, broadcast as in NumPy.
  add: NoAttributes;
  sub: NoAttributes;
  mul: NoAttributes;
  div: NoAttributes;
  // Element-wise, one input.
  neg: NoAttributes;
  exp: NoAttributes;
  log: NoAttributes;
  sqrt: NoAttributes;
  erf: NoAttributes;
  sigmoid: NoAttributes;
  relu: NoAttributes;
  /** 1 where x > 0, else 0: the derivative of relu. */
  step: NoAttributes;
  /** x·σ(1.702 x), CLIP's activation. */
  quickGelu: NoAttributes;
  /** Matrix product over the last two axes; the right side is a matrix, or has the left side's batch axes. */
  matmul: { readonly transposeLeft: boolean; readonly transposeRight: boolean };
  sum: Reduction;
  mean: Reduction;
  /** Over the last axis. */
  softmax: NoAttributes;
  /** Over the last axis. */
  logSoftmax: NoAttributes;
  /** Normalises the last axis of input 0, then scales by input 1 and shifts by input 2. */
  layerNorm: { readonly epsilon: number };
  /** ONNX's convention: 0 keeps the input's size at that place, one −1 is inferred. */
  reshape: { readonly shape: readonly number[] };
  transpose: { readonly permutation: readonly number[] };
  /** Repeats axes of size 1 (and missing leading axes) up to a shape. */
  broadcast: { readonly shape: Shape };
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  /** Zeros before and after along one axis. */
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  concat: { readonly axis: number };
}

export type OpName = keyof OpAttributes;

interface OpDefinition<Name extends OpName> {
  /** Number of inputs; undefined for one or more. */
  readonly arity: number | undefined;
  /** Shape of the output; throws a plain Error when the inputs do not fit. */
  shape(inputs: readonly Shape[], attributes: OpAttributes[Name]): Shape;
}

/** Shape of a broadcast pair, as in NumPy. */
export function broadcastShapes(left: Shape, right: Shape): Shape {
  const rank = Math.max(left.length, right.length);
  return Array.from({ length: rank }, (_, axis) => {
    const a = left[axis - rank + left.length] ?? 1;
    const b = right[axis - rank + right.length] ?? 1;
    if (a !== b && a !== 1 && b !== 1) {
      throw new Error(`shapes [${left.join(', ')}] and [${right.join(', ')}] do not broadcast`);
    }
    return a === 1 ? b : a;
  });
}

/** Resolves the 0 and −1 of a reshape target against the input's shape. */
export function resolveReshape(input: Shape, target: readonly number[]): Shape {
  const kept = target.map((size, axis) => (size === 0 ? dimension(input, axis) : size));
  const inferred = kept.filter((size) => size === -1).length;
  const known = elementCount(kept.filter((size) => size !== -1));
  const shape = kept.map((size) => (size === -1 ? elementCount(input) / known : size));
  const sizes = shape.every((size) => Number.isInteger(size) && size > 0);
  if (elementCount(shape) !== elementCount(input) || !sizes || inferred > 1) {
    throw new Error(`cannot reshape [${input.join(', ')}] to [${target.join(', ')}]`);
  }
  return shape;
}

export function dimension(shape: Shape, axis: number): number {
  const size = shape.at(axis);
  if (size === undefined) throw new Error(`[${shape.join(', ')}] has no axis ${String(axis)}`);
  return size;
}

/** Attributes name axes from the front: a negative one would mean different things to different engines. */
function requireAxis(shape: Shape, axis: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
    throw new Error(`[${shape.join(', ')}] has no axis ${String(axis)}`);
  }
}

function replaceAxis(shape: Shape, axis: number, size: number): Shape {
  requireAxis(shape, axis);
  return shape.map((old, index) => (index === axis ? size : old));
}

const elementwise = { arity: 1, shape: ([x]: readonly Shape[]) => given(x) };
/** Like `elementwise`, but works along the last axis, which a scalar does not have. */
const rowwise = {
  arity: 1,
  shape: ([x]: readonly Shape[]) => {
    requireAxis(given(x), given(x).length - 1);
    return given(x);
  },
};
const pairwise = {
  arity: 2,
  shape: ([a, b]: readonly Shape[]) => broadcastShapes(given(a), given(b)),
};
const reduction = {
  arity: 1,
  shape: ([x]: readonly Shape[], { axes, keepDims }: Reduction): Shape => {
    for (const axis of axes) requireAxis(given(x), axis);
    if (axes.some((axis, index) => index > 0 && axis <= (axes[index - 1] ?? 0))) {
      throw new Error(`axes [${axes.join(', ')}] are not ascending`);
    }
    return given(x).flatMap((size, axis) => {
      if (!axes.includes(axis)) return [size];
      return keepDims ? [1] : [];
    });
  },
};

function given(shape: Shape | undefined): Shape {
  if (shape === undefined) throw new Error('an input is missing');
  return shape;
}

function matmulShape(
  [left, right]: readonly Shape[],
  { transposeLeft, transposeRight }: OpAttributes['matmul'],
): Shape {
  const a = given(left);
  const b = given(right);
  const [rows, innerLeft] = transposeLeft ? [a.at(-1), a.at(-2)] : [a.at(-2), a.at(-1)];
  const [innerRight, columns] = transposeRight ? [b.at(-1), b.at(-2)] : [b.at(-2), b.at(-1)];
  const batch = a.slice(0, -2);
  const sameBatch = b.length === 2 || b.slice(0, -2).join() === batch.join();
  if (rows === undefined || columns === undefined || innerLeft !== innerRight || !sameBatch) {
    throw new Error(`matrix product of [${a.join(', ')}] and [${b.join(', ')}] is not defined`);
  }
  if (b.length === 2 && a.length > 2 && transposeLeft) {
    throw new Error('a transposed stack of matrices times one matrix is not supported');
  }
  return [...batch, rows, columns];
}

export const ops: { readonly [Name in OpName]: OpDefinition<Name> } = {
  fill: { arity: 0, shape: (_inputs, { shape }) => shape },
  add: pairwise,
  sub: pairwise,
  mul: pairwise,
  div: pairwise,
  neg: elementwise,
  exp: elementwise,
  log: elementwise,
  sqrt: elementwise,
  erf: elementwise,
  sigmoid: elementwise,
  relu: elementwise,
  step: elementwise,
  quickGelu: elementwise,
  matmul: { arity: 2, shape: matmulShape },
  sum: reduction,
  mean: reduction,
  softmax: rowwise,
  logSoftmax: rowwise,
  layerNorm: {
    arity: 3,
    shape: ([x, scale, shift]) => {
      const width = dimension(given(x), -1);
      for (const vector of [given(scale), given(shift)]) {
        if (vector.length !== 1 || vector[0] !== width) {
          throw new Error(`layer norm over ${String(width)} got a vector [${vector.join(', ')}]`);
        }
      }
      return given(x);
    },
  },
  reshape: { arity: 1, shape: ([x], { shape }) => resolveReshape(given(x), shape) },
  transpose: {
    arity: 1,
    shape: ([x], { permutation }) => {
      const sorted = [...permutation].sort((a, b) => a - b);
      if (sorted.length !== given(x).length || !sorted.every((axis, index) => axis === index)) {
        throw new Error(`[${permutation.join(', ')}] does not permute [${given(x).join(', ')}]`);
      }
      return permutation.map((axis) => dimension(given(x), axis));
    },
  },
  broadcast: {
    arity: 1,
    shape: ([x], { shape }) => {
      if (broadcastShapes(given(x), shape).join() !== shape.join()) {
        throw new Error(`[${given(x).join(', ')}] does not broadcast to [${shape.join(', ')}]`);
      }
      return shape;
    },
  },
  slice: {
    arity: 1,
    shape: ([x], { axis, start, end }) => {
      if (!(start >= 0 && start < end && end <= dimension(given(x), axis))) {
        throw new Error(`slice ${String(start)}:${String(end)} is outside axis ${String(axis)}`);
      }
      return replaceAxis(given(x), axis, end - start);
    },
  },
  pad: {
    arity: 1,
    shape: ([x], { axis, before, after }) => {
      if (before < 0 || after < 0) {
        throw new Error(`cannot pad by ${String(before)} and ${String(after)}`);
      }
      return replaceAxis(given(x), axis, before + dimension(given(x), axis) + after);
    },
  },
  concat: {
    arity: undefined,
    shape: (inputs, { axis }) => {
      const rest = (shape: Shape) => replaceAxis(shape, axis, -1).join();
      const first = given(inputs[0]);
      if (inputs.some((shape) => rest(shape) !== rest(first))) {
        throw new Error(`cannot join shapes ${inputs.map((s) => `[${s.join(', ')}]`).join(' ')}`);
      }
      const total = inputs.reduce((sum, shape) => sum + dimension(shape, axis), 0);
      return replaceAxis(first, axis, total);
    },
  },
};

/** Shape rule of `op`, with the pairing of name and attributes erased (they were checked when built). */
export function inferShape(
  op: OpName,
  inputs: readonly Shape[],
  attributes: OpAttributes[OpName],
): Shape {
  const definition = ops[op] as OpDefinition<OpName>;
  if (definition.arity === undefined ? inputs.length === 0 : inputs.length !== definition.arity) {
    throw new Error(
      `${op} takes ${String(definition.arity ?? 'some')} inputs, not ${String(inputs.length)}`,
    );
  }
  return definition.shape(inputs, attributes);
}
