/** Operations that a provider lacks, in those that it has: a copy to the processor and back costs more. */
import type { Overrides } from './lowering.ts';
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

export const providerOverrides: Readonly<Record<GpuProvider | 'cpu', Overrides>> = {
  cpu: {},
  webgpu,
  cuda: {},
  directml: {},
  coreml: {},
};
