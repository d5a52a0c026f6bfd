/**
 * Reverse-mode rules: for each operation and input, the cotangent of that input given the cotangent
 * of the output. Each rule is itself written in operations, so gradients are ordinary programs.
 * Rules are thunks: the cotangent of a constant is never built, and no rule transposes an input of a
 * matrix product (large constants would be copied); it passes transposition flags instead.
 */
import type { Builder } from './builder.ts';
import { dimension, type OpAttributes, type OpName } from './ops.ts';
import type { Shape, Value } from './program.ts';

export interface VjpContext<Attributes> {
  readonly g: Builder;
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly cotangent: Value;
  readonly attributes: Attributes;
}

type VjpRule<Attributes> = (context: VjpContext<Attributes>, input: number) => Value;

/** Sums a cotangent over the axes that broadcasting repeated. */
function sumTo(g: Builder, value: Value, target: Shape): Value {
  const shape = g.shape(value);
  if (shape.join() === target.join()) return value;
  const offset = shape.length - target.length;
  const axes = shape.flatMap((size, axis) =>
    axis < offset || (target[axis - offset] === 1 && size !== 1) ? [axis] : [],
  );
  return g.reshape(g.sum(value, axes), target);
}

function at(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (value === undefined) throw new Error(`input ${String(index)} is missing`);
  return value;
}

function pairwise(
  rule: (context: VjpContext<unknown>, a: Value, b: Value, input: number) => Value,
): VjpRule<unknown> {
  return (context, input) => {
    const [a, b] = [at(context.inputs, 0), at(context.inputs, 1)];
    return sumTo(context.g, rule(context, a, b, input), context.g.shape(at(context.inputs, input)));
  };
}

/** For y = f(x) element-wise: cotangent · f′, with f′ written from x and y. */
function elementwise(derivative: (g: Builder, x: Value, y: Value) => Value): VjpRule<unknown> {
  return ({ g, inputs, output, cotangent }) =>
    g.mul(cotangent, derivative(g, at(inputs, 0), output));
}

/** Puts reduced axes back and repeats them to the shape of the reduction's input. */
function unreduce(
  g: Builder,
  cotangent: Value,
  { axes }: OpAttributes['sum'],
  shape: Shape,
): Value {
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return g.broadcast(g.reshape(cotangent, kept), shape);
}

const matmul: VjpRule<OpAttributes['matmul']> = ({ g, inputs, cotangent, attributes }, input) => {
  const { transposeLeft, transposeRight } = attributes;
  const [left, right] = [at(inputs, 0), at(inputs, 1)];
  if (input === 0) {
    return transposeLeft
      ? g.matmul(right, cotangent, { transposeLeft: transposeRight, transposeRight: true })
      : g.matmul(cotangent, right, { transposeRight: !transposeRight });
  }
  // One matrix shared by a stack: fold the stack into the rows.
  const fold = (x: Value) =>
    g.shape(right).length === 2 ? g.reshape(x, [-1, dimension(g.shape(x), -1)]) : x;
  const [a, dc] = [fold(left), fold(cotangent)];
  return transposeRight
    ? g.matmul(dc, a, { transposeLeft: true, transposeRight: transposeLeft })
    : g.matmul(a, dc, { transposeLeft: !transposeLeft });
};

/** Ba, Kiros, Hinton 2016; x̂ and the reciprocal deviation are recomputed from the input. */
const layerNorm: VjpRule<OpAttributes['layerNorm']> = (
  { g, inputs, cotangent, attributes },
  input,
) => {
  const [x, scale] = [at(inputs, 0), at(inputs, 1)];
  const last = g.shape(x).length - 1;
  if (input === 2) return sumTo(g, cotangent, g.shape(at(inputs, 2)));
  const centred = g.sub(x, g.mean(x, [last], true));
  const variance = g.mean(g.mul(centred, centred), [last], true);
  const deviation = g.unary('sqrt', g.add(variance, g.fill(attributes.epsilon)));
  const normalised = g.div(centred, deviation);
  if (input === 1) return sumTo(g, g.mul(cotangent, normalised), g.shape(scale));
  const scaled = g.mul(cotangent, scale);
  const projection = g.mul(normalised, g.mean(g.mul(scaled, normalised), [last], true));
  return g.div(g.sub(g.sub(scaled, g.mean(scaled, [last], true)), projection), deviation);
};

const vjps: { readonly [Name in OpName]: VjpRule<OpAttributes[Name]> } = {
  fill: () => {
    throw new Error('fill has no inputs');
  },
  add: pairwise(({ cotangent }) => cotangent),
  sub: pairwise(({ g, cotangent }, _a, _b, input) =>
    input === 0 ? cotangent : g.unary('neg', cotangent),
  ),
  mul: pairwise(({ g, cotangent }, a, b, input) => g.mul(cotangent, input === 0 ? b : a)),
  div: pairwise(({ g, output, cotangent }, _a, b, input) =>
    input === 0 ? g.div(cotangent, b) : g.unary('neg', g.mul(cotangent, g.div(output, b))),
  ),
  neg: ({ g, cotangent }) => g.unary('neg', cotangent),
  exp: elementwise((_g, _x, y) => y),
  log: ({ g, inputs, cotangent }) => g.div(cotangent, at(inputs, 0)),
  sqrt: ({ g, output, cotangent }) => g.div(cotangent, g.scale(output, 2)),
  erf: elementwise((g, x) =>
    g.scale(g.unary('exp', g.unary('neg', g.mul(x, x))), 2 / Math.sqrt(Math.PI)),
  ),
  sigmoid: elementwise((g, _x, y) => g.mul(y, g.sub(g.fill(1), y))),
  relu: elementwise((g, x) => g.unary('step', x)),
  step: ({ g, inputs }) => g.fill(0, g.shape(at(inputs, 0))),
  // d/dx x·s = s + 1.702 x·s·(1 − s) = s + 1.702 y·(1 − s), s = σ(1.702 x).
  quickGelu: elementwise((g, x, y) => {
    const s = g.unary('sigmoid', g.scale(x, 1.702));
    return g.add(s, g.mul(g.scale(y, 1.702), g.sub(g.fill(1), s)));
  }),
  matmul,
  sum: ({ g, inputs, cotangent, attributes }) =>
    unreduce(g, cotangent, attributes, g.shape(at(inputs, 0))),
  mean: ({ g, inputs, cotangent, attributes }) => {
    const shape = g.shape(at(inputs, 0));
    const count = attributes.axes.reduce((product, axis) => product * dimension(shape, axis), 1);
    return unreduce(g, g.scale(cotangent, 1 / count), attributes, shape);
  },
  softmax: ({ g, output, cotangent }) => {
    const product = g.mul(cotangent, output);
    const last = g.shape(output).length - 1;
    return g.sub(product, g.mul(output, g.sum(product, [last], true)));
  },
  logSoftmax: ({ g, output, cotangent }) => {
    const last = g.shape(output).length - 1;
    return g.sub(cotangent, g.mul(g.unary('exp', output), g.sum(cotangent, [last], true)));
  },
  layerNorm,
  reshape: ({ g, inputs, cotangent }) => g.reshape(cotangent, g.shape(at(inputs, 0))),
  transpose: ({ g, cotangent, attributes }) =>
    g.transpose(
      cotangent,
      attributes.permutation.map((_, axis) => attributes.permutation.indexOf(axis)),
    ),
  broadcast: ({ g, inputs, cotangent }) => sumTo(g, cotangent, g.shape(at(inputs, 0))),
  slice: ({ g, inputs, cotangent, attributes: { axis, start, end } }) =>
    g.pad(cotangent, axis, start, dimension(g.shape(at(inputs, 0)), axis) - end),
  pad: ({ g, inputs, cotangent, attributes: { axis, before } }) =>
    g.slice(cotangent, axis, before, before + dimension(g.shape(at(inputs, 0)), axis)),
  concat: ({ g, inputs, cotangent, attributes: { axis } }, input) => {
    const sizes = inputs.map((value) => dimension(g.shape(value), axis));
    const start = sizes.slice(0, input).reduce((total, size) => total + size, 0);
    return g.slice(cotangent, axis, start, start + (sizes[input] ?? 0));
  },
};

/** Cotangent of one input of an equation. */
export function vjp(op: OpName, context: VjpContext<OpAttributes[OpName]>, input: number): Value {
  return (vjps[op] as VjpRule<OpAttributes[OpName]>)(context, input);
}
