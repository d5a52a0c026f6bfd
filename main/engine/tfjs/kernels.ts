/**
 * Every operation in TensorFlow.js. Written from what its WASM backend does well: that backend adds
 * float32 numbers one after another, and leaves stacks and transposed operands of a matrix product to
 * a plain loop some twenty times slower than its two-dimensional product.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { OpAttributes, OpName, Reduction } from '../../graph/ops.ts';
import { resolveReshape } from '../../graph/ops.ts';

type Kernel<Attributes> = (inputs: readonly tf.Tensor[], attributes: Attributes) => tf.Tensor;

/** Longest row that is summed in one go: keeps the rounding of a sum near one unit in the last place. */
const chunk = 128;

/** Multiply-adds in one product of a stack from which cutting the stack apart pays. */
const worthCutting = 30_000;

function at(inputs: readonly tf.Tensor[], index: number): tf.Tensor {
  const input = inputs[index];
  if (input === undefined) throw new Error(`input ${String(index)} is missing`);
  return input;
}

function unary(f: (x: tf.Tensor) => tf.Tensor): Kernel<unknown> {
  return (inputs) => f(at(inputs, 0));
}

function binary(f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Kernel<unknown> {
  return (inputs) => f(at(inputs, 0), at(inputs, 1));
}

function onWasm(): boolean {
  return tf.getBackend() === 'wasm';
}

/** Sums the rows of a matrix, chunk by chunk. */
function sumRows(x: tf.Tensor): tf.Tensor {
  const [rows = 1, width = 1] = x.shape;
  if (width <= chunk) return tf.sum(x, 1);
  const chunks = Math.floor(width / chunk);
  const body = tf.reshape(tf.slice(x, [0, 0], [rows, chunks * chunk]), [rows * chunks, chunk]);
  const sums = sumRows(tf.reshape(tf.sum(body, 1), [rows, chunks]));
  if (chunks * chunk === width) return sums;
  return tf.add(sums, tf.sum(tf.slice(x, [0, chunks * chunk], [rows, width - chunks * chunk]), 1));
}

function sum(x: tf.Tensor, { axes, keepDims }: Reduction): tf.Tensor {
  if (!onWasm()) return tf.sum(x, [...axes], keepDims);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const inner = tf.transpose(x, [...kept, ...axes]);
  const count = axes.reduce((product, axis) => product * (x.shape[axis] ?? 1), 1);
  const sums = sumRows(tf.reshape(inner, [x.size / count, count]));
  const shape = x.shape.flatMap((size, axis) => {
    if (!axes.includes(axis)) return [size];
    return keepDims ? [1] : [];
  });
  return tf.reshape(sums, shape);
}

function mean(x: tf.Tensor, reduction: Reduction): tf.Tensor {
  const count = reduction.axes.reduce((product, axis) => product * (x.shape[axis] ?? 1), 1);
  return tf.div(sum(x, reduction), tf.scalar(count));
}

function swapLastTwo(x: tf.Tensor): tf.Tensor {
  const permutation = x.shape.map((_, axis) => axis);
  permutation.push(...permutation.splice(-2).reverse());
  return tf.transpose(x, permutation);
}

/**
 * XNNPACK, which computes the products of the WASM backend, keeps a packed copy of the right matrix for as long as
 * that tensor lives: with constants, all weights and the dictionary a second time. So it is given copies of at most
 * this many numbers, which end with the equation.
 */
const largestCopy = 2 ** 21;

/** Product of two matrices on the WASM backend, column block by column block of the right one. */
function matrixProduct(left: tf.Tensor, right: tf.Tensor): tf.Tensor {
  const [inner = 1, columns = 1] = right.shape;
  const width = Math.max(1, Math.floor(largestCopy / inner));
  const blocks: tf.Tensor[] = [];
  for (let start = 0; start < columns; start += width) {
    const size = [inner, Math.min(width, columns - start)];
    blocks.push(tf.tidy(() => tf.matMul(left, tf.slice(right, [0, start], size))));
  }
  return blocks.length === 1 ? at(blocks, 0) : tf.concat(blocks, 1);
}

/** Product of a stack of matrices with a stack of as many. */
function stackProduct(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const [rows = 1, inner = 1] = a.shape.slice(-2);
  const columns = b.shape.at(-1) ?? 1;
  if (rows * inner * columns < worthCutting) return tf.matMul(a, b);
  const matrices = (x: tf.Tensor) => tf.unstack(tf.reshape(x, [-1, ...x.shape.slice(-2)]));
  const right = matrices(b);
  const products = matrices(a).map((left, index) => tf.matMul(left, at(right, index)));
  return tf.reshape(tf.stack(products), [...a.shape.slice(0, -1), columns]);
}

const matmul: Kernel<OpAttributes['matmul']> = (inputs, { transposeLeft, transposeRight }) => {
  const [left, right] = [at(inputs, 0), at(inputs, 1)];
  if (right.rank < left.rank) {
    const rows = tf.reshape(left, [-1, left.shape.at(-1) ?? 1]);
    const product = matmul([rows, right], { transposeLeft: false, transposeRight });
    return tf.reshape(product, [...left.shape.slice(0, -1), product.shape.at(-1) ?? 1]);
  }
  if (!onWasm()) return tf.matMul(left, right, transposeLeft, transposeRight);
  const a = transposeLeft ? swapLastTwo(left) : left;
  if (left.rank > 2) return stackProduct(a, transposeRight ? swapLastTwo(right) : right);
  return transposeRight ? tf.matMul(a, swapLastTwo(right)) : matrixProduct(a, right);
};

const layerNorm: Kernel<OpAttributes['layerNorm']> = (inputs, { epsilon }) => {
  const x = at(inputs, 0);
  const last = { axes: [x.rank - 1], keepDims: true };
  const centred = tf.sub(x, mean(x, last));
  const variance = mean(tf.mul(centred, centred), last);
  const normalised = tf.div(centred, tf.sqrt(tf.add(variance, tf.scalar(epsilon))));
  return tf.add(tf.mul(normalised, at(inputs, 1)), at(inputs, 2));
};

function logSoftmax(x: tf.Tensor): tf.Tensor {
  const last = { axes: [x.rank - 1], keepDims: true };
  const shifted = tf.sub(x, tf.max(x, -1, true));
  return tf.sub(shifted, tf.log(sum(tf.exp(shifted), last)));
}

function softmax(x: tf.Tensor): tf.Tensor {
  const powers = tf.exp(tf.sub(x, tf.max(x, -1, true)));
  return tf.div(powers, sum(powers, { axes: [x.rank - 1], keepDims: true }));
}

const kernels = {
  fill: (_inputs, { shape, value }) => tf.fill([...shape], value, 'float32'),
  add: binary(tf.add),
  sub: binary(tf.sub),
  mul: binary(tf.mul),
  div: binary(tf.div),
  neg: unary(tf.neg),
  exp: unary(tf.exp),
  log: unary(tf.log),
  sqrt: unary(tf.sqrt),
  erf: unary(tf.erf),
  sigmoid: unary(tf.sigmoid),
  relu: unary(tf.relu),
  step: unary((x) => tf.step(x)),
  quickGelu: unary((x) => tf.mul(x, tf.sigmoid(tf.mul(x, tf.scalar(1.702))))),
  matmul,
  sum: (inputs, attributes) => sum(at(inputs, 0), attributes),
  mean: (inputs, attributes) => mean(at(inputs, 0), attributes),
  softmax: unary(softmax),
  logSoftmax: unary(logSoftmax),
  layerNorm,
  reshape: (inputs, { shape }) => {
    const x = at(inputs, 0);
    return tf.reshape(x, [...resolveReshape(x.shape, shape)]);
  },
  transpose: (inputs, { permutation }) => tf.transpose(at(inputs, 0), [...permutation]),
  // A product with ones, because the WASM backend's own broadcast is ten times slower.
  broadcast: (inputs, { shape }) => tf.mul(at(inputs, 0), tf.ones([...shape])),
  slice: (inputs, { axis, start, end }) => {
    const x = at(inputs, 0);
    const place = (here: number, elsewhere: (size: number) => number) =>
      x.shape.map((size, index) => (index === axis ? here : elsewhere(size)));
    return tf.slice(
      x,
      place(start, () => 0),
      place(end - start, (size) => size),
    );
  },
  pad: (inputs, { axis, before, after }) => {
    const x = at(inputs, 0);
    return tf.pad(
      x,
      x.shape.map((_, index): [number, number] => (index === axis ? [before, after] : [0, 0])),
    );
  },
  concat: (inputs, { axis }) => tf.concat([...inputs], axis),
} satisfies { readonly [Name in OpName]: Kernel<OpAttributes[Name]> };

/** Computes one equation. The result is always a new tensor, never one of the inputs. */
export function compute(
  op: OpName,
  inputs: readonly tf.Tensor[],
  attributes: OpAttributes[OpName],
): tf.Tensor {
  return (kernels[op] as Kernel<OpAttributes[OpName]>)(inputs, attributes);
}
