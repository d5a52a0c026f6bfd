/**
 * What every operation means, written to be read: loops over indices, sums in float64. Slow; the other
 * engines are tested against it.
 */
import { broadcastShapes, inferShape, resolveReshape } from '../../graph/ops.ts';
import type { OpAttributes, OpName, Reduction } from '../../graph/ops.ts';
import { elementCount, zeros, type Tensor } from '../../lib/tensor.ts';

type Kernel<Attributes> = (inputs: readonly Tensor[], attributes: Attributes) => Tensor;

function input(inputs: readonly Tensor[], index: number): Tensor {
  const tensor = inputs[index];
  if (tensor === undefined) throw new Error(`input ${String(index)} is missing`);
  return tensor;
}

/** Row-major strides, in elements. */
function strides(shape: readonly number[]): number[] {
  const result = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    result[axis] = (result[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  }
  return result;
}

/** Fills a tensor from a function of the multi-index. */
function tabulate(shape: readonly number[], value: (index: readonly number[]) => number): Tensor {
  const result = zeros(shape);
  const index = shape.map(() => 0);
  for (let flat = 0; flat < result.data.length; flat++) {
    result.data[flat] = value(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (shape[axis] ?? 0)) break;
      index[axis] = 0;
    }
  }
  return result;
}

/** Reads a tensor at a multi-index that may have more axes, with broadcasting. */
function reader({ shape, data }: Tensor): (index: readonly number[]) => number {
  const step = strides(shape);
  return (index) => {
    const offset = index.length - shape.length;
    let flat = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      if (shape[axis] !== 1) flat += (index[axis + offset] ?? 0) * (step[axis] ?? 0);
    }
    return data[flat] ?? Number.NaN;
  };
}

function map(f: (x: number) => number): Kernel<unknown> {
  return (inputs) => {
    const { shape, data } = input(inputs, 0);
    return { shape, data: data.map(f) };
  };
}

function zip(f: (a: number, b: number) => number): Kernel<unknown> {
  return (inputs) => {
    const [a, b] = [input(inputs, 0), input(inputs, 1)];
    const [left, right] = [reader(a), reader(b)];
    return tabulate(broadcastShapes(a.shape, b.shape), (index) => f(left(index), right(index)));
  };
}

function reduce(finish: (sum: number, count: number) => number): Kernel<Reduction> {
  return (inputs, attributes) => {
    const x = input(inputs, 0);
    const read = reader(x);
    const kept = x.shape.map((size, axis) => (attributes.axes.includes(axis) ? 1 : size));
    const reduced = x.shape.map((size, axis) => (attributes.axes.includes(axis) ? size : 1));
    const count = elementCount(reduced);
    const { data } = tabulate(kept, (index) => {
      let total = 0;
      tabulate(reduced, (inner) => {
        total += read(index.map((i, axis) => i + (inner[axis] ?? 0)));
        return 0;
      });
      return finish(total, count);
    });
    return { shape: inferShape('sum', [x.shape], attributes), data };
  };
}

/** Applies a function to every row along the last axis. */
function rows(x: Tensor, f: (row: Float32Array) => ArrayLike<number>): Tensor {
  const width = x.shape.at(-1) ?? 1;
  const data = new Float32Array(x.data.length);
  for (let start = 0; start < data.length; start += width) {
    data.set(f(x.data.subarray(start, start + width)), start);
  }
  return { shape: x.shape, data };
}

function logSumExp(row: Float32Array): number {
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return largest + Math.log(row.reduce((total, x) => total + Math.exp(x - largest), 0));
}

/** Error function to double precision: Taylor series inside |x| < 3, continued fraction outside. */
function erf(x: number): number {
  const square = x * x;
  if (Math.abs(x) < 3) {
    let [term, total] = [x, x];
    for (let n = 1; n < 80; n++) {
      term *= -square / n;
      total += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * total;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (Math.abs(x) + fraction);
  const tail = Math.exp(-square) / (Math.sqrt(Math.PI) * (Math.abs(x) + fraction));
  return Math.sign(x) * (1 - tail);
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const matmul: Kernel<OpAttributes['matmul']> = (inputs, attributes) => {
  const [a, b] = [input(inputs, 0), input(inputs, 1)];
  const [left, right] = [reader(a), reader(b)];
  const inner = a.shape.at(attributes.transposeLeft ? -2 : -1) ?? 0;
  const shape = inferShape('matmul', [a.shape, b.shape], attributes);
  return tabulate(shape, (index) => {
    const batch = index.slice(0, -2);
    const [row, column] = [index.at(-2) ?? 0, index.at(-1) ?? 0];
    const rightBatch = b.shape.length === 2 ? [] : batch;
    let total = 0;
    for (let k = 0; k < inner; k++) {
      total +=
        left([...batch, ...(attributes.transposeLeft ? [k, row] : [row, k])]) *
        right([...rightBatch, ...(attributes.transposeRight ? [column, k] : [k, column])]);
    }
    return total;
  });
};

const layerNorm: Kernel<OpAttributes['layerNorm']> = (inputs, { epsilon }) => {
  const [scale, shift] = [input(inputs, 1).data, input(inputs, 2).data];
  return rows(input(inputs, 0), (row) => {
    const mean = row.reduce((total, x) => total + x, 0) / row.length;
    const variance = row.reduce((total, x) => total + (x - mean) ** 2, 0) / row.length;
    return Array.from(
      row,
      (x, i) => ((x - mean) / Math.sqrt(variance + epsilon)) * (scale[i] ?? 0) + (shift[i] ?? 0),
    );
  });
};

export const kernels = {
  fill: (_inputs, { shape, value }) => {
    const result = zeros(shape);
    result.data.fill(value);
    return result;
  },
  add: zip((a, b) => a + b),
  sub: zip((a, b) => a - b),
  mul: zip((a, b) => a * b),
  div: zip((a, b) => a / b),
  neg: map((x) => -x),
  exp: map(Math.exp),
  log: map(Math.log),
  sqrt: map(Math.sqrt),
  erf: map(erf),
  sigmoid: map(sigmoid),
  relu: map((x) => Math.max(x, 0)),
  step: map((x) => (x > 0 ? 1 : 0)),
  quickGelu: map((x) => x * sigmoid(1.702 * x)),
  matmul,
  sum: reduce((sum) => sum),
  mean: reduce((sum, count) => sum / count),
  softmax: (inputs) =>
    rows(input(inputs, 0), (row) => {
      const total = logSumExp(row);
      return row.map((x) => Math.exp(x - total));
    }),
  logSoftmax: (inputs) =>
    rows(input(inputs, 0), (row) => {
      const total = logSumExp(row);
      return row.map((x) => x - total);
    }),
  layerNorm,
  reshape: (inputs, { shape }) => {
    const x = input(inputs, 0);
    return { shape: resolveReshape(x.shape, shape), data: x.data };
  },
  transpose: (inputs, { permutation }) => {
    const x = input(inputs, 0);
    const read = reader(x);
    const shape = permutation.map((axis) => x.shape[axis] ?? 1);
    return tabulate(shape, (index) =>
      read(x.shape.map((_, axis) => index[permutation.indexOf(axis)] ?? 0)),
    );
  },
  broadcast: (inputs, { shape }) => tabulate(shape, reader(input(inputs, 0))),
  slice: (inputs, { axis, start, end }) => {
    const x = input(inputs, 0);
    const read = reader(x);
    const shape = x.shape.map((size, i) => (i === axis ? end - start : size));
    return tabulate(shape, (index) => read(index.map((i, at) => (at === axis ? i + start : i))));
  },
  pad: (inputs, { axis, before, after }) => {
    const x = input(inputs, 0);
    const read = reader(x);
    const size = x.shape[axis] ?? 0;
    const shape = x.shape.map((old, i) => (i === axis ? before + old + after : old));
    return tabulate(shape, (index) => {
      const position = (index[axis] ?? 0) - before;
      const inside = position >= 0 && position < size;
      return inside ? read(index.map((i, at) => (at === axis ? position : i))) : 0;
    });
  },
  concat: (inputs, attributes) => {
    const { axis } = attributes;
    const readers = inputs.map(reader);
    const shape = inferShape(
      'concat',
      inputs.map((x) => x.shape),
      attributes,
    );
    return tabulate(shape, (index) => {
      let position = index[axis] ?? 0;
      for (const [i, x] of inputs.entries()) {
        const size = x.shape[axis] ?? 0;
        if (position < size) {
          return readers[i]?.(index.map((old, at) => (at === axis ? position : old))) ?? Number.NaN;
        }
        position -= size;
      }
      return Number.NaN;
    });
  },
} satisfies { readonly [Name in OpName]: Kernel<OpAttributes[Name]> };
