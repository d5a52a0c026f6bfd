/**
 * What is lowered otherwise for a provider: operations that it lacks, in those that it has, as a copy to the processor
 * and back costs more; and what its kernels do better in another form.
 */
import { lower, type Overrides } from './lowering.ts';
import type { GpuProvider } from './providers.ts';

/** ONNX Runtime 1.30's WebGPU has no LogSoftmax: x − max x − log Σ exp(x − max x). */
const webgpu: Overrides = {
  logSoftmax: ({ to, inputs: [x = ''], shape }) => {
    const last = to.ints([shape.length - 1]);
    const shifted = to.emit('Sub', [x, to.emit('ReduceMax', [x, last], { keepdims: 1 })]);
    const sum = to.emit('ReduceSum', [to.emit('Exp', [shifted]), last], { keepdims: 1 });
    return to.emit('Sub', [shifted, to.emit('Log', [sum])]);
  },
};

/** Below this a matrix stays in the first cache. */
const longColumns = 64;
/** From here on a product with one row waits for memory. */
const longRow = 2 ** 16;

/**
 * A gradient of weights is aᵀ·b of activations. The kernel's own way to read a matrix by columns is slower than to
 * copy it first (0.8 to 0.95 of the product's time with the copy). The runtime would put the transposition back into
 * the product; behind a reshape it does not.
 */
function turned(context: MatmulContext): string {
  const { to, inputs, attributes, shapes } = context;
  const [left = '', ...others] = inputs;
  const [[rows = 0, columns = 0] = []] = shapes;
  const cells = to.emit('Reshape', [left, to.ints([rows, columns, 1])]);
  const turnedCells = to.emit('Transpose', [cells], { perm: [1, 2, 0] });
  return lower('matmul', {
    ...context,
    inputs: [to.emit('Reshape', [turnedCells, to.ints([columns, rows])]), ...others],
    attributes: { ...attributes, transposeLeft: false },
    shapes: [[columns, rows], ...shapes.slice(1)],
  });
}

/**
 * A gradient of λ is one row dW times Dᵀ, K numbers: as D·dWᵀ the runtime has K rows to give to its threads, and not
 * one.
 */
function byRowsOfRight({ to, inputs, shapes, shape }: MatmulContext): string {
  const [left = '', right = ''] = inputs;
  const column = to.emit('Reshape', [left, to.ints([shapes[0]?.[1] ?? 1, 1])]);
  return to.emit('Reshape', [to.emit('Gemm', [right, column]), to.ints(shape)]);
}

type MatmulContext = Parameters<NonNullable<Overrides['matmul']>>[0];

const cpu: Overrides = {
  matmul: (context) => {
    const { inputs, attributes, shapes } = context;
    const [[rows = 0, columns = 0, ...more] = [], right] = shapes;
    if (more.length > 0 || right?.length !== 2) return lower('matmul', context);
    if (attributes.transposeLeft) {
      const long = Math.min(rows, columns) >= longColumns;
      return long ? turned(context) : lower('matmul', context);
    }
    const oneRow = rows === 1 && columns >= longRow && attributes.transposeRight;
    return oneRow && inputs.length === 2 ? byRowsOfRight(context) : lower('matmul', context);
  },
};

export const providerOverrides: Readonly<Record<GpuProvider | 'cpu', Overrides>> = {
  cpu,
  webgpu,
  cuda: {},
  directml: {},
  coreml: {},
};
