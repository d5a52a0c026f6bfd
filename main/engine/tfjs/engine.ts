import * as tf from '@tensorflow/tfjs-core';
import type { Equation, Program, Value } from '../../graph/program.ts';
import type { Tensor } from '../../lib/tensor.ts';
import { tensorsFor } from '../check-inputs.ts';
import type { Engine, Executable } from '../engine.ts';
import type { Backend } from './backend.ts';
import { compute } from './kernels.ts';

/** An engine on a started backend of TensorFlow.js. */
export function createTfjsEngine(backend: Backend): Engine {
  const { name, title, device, threads } = backend;
  return {
    description: { id: 'tfjs', title, device, precision: 'fp32', threads },
    compile: async (program, constants) => {
      await activate(name);
      const resident = upload(tensorsFor(program, 'constant', constants));
      const steps = planSteps(program);
      return {
        run: async (inputs) => {
          await activate(name);
          return evaluate(program, steps, resident, tensorsFor(program, 'input', inputs));
        },
        dispose: async () => {
          tf.dispose([...resident.values()]);
          resident.clear();
        },
      } satisfies Executable;
    },
  };
}

/** TensorFlow.js has one active backend per process, and several engines may share the process. */
async function activate(name: string): Promise<void> {
  while (tf.getBackend() !== name) {
    if (!(await tf.setBackend(name))) throw new Error(`backend ${name} did not start`);
  }
}

/** Tensors on the device by name of parameter; what was uploaded is freed when a later one fails. */
function upload(tensors: ReadonlyMap<string, Tensor>): Map<string, tf.Tensor> {
  const uploaded = new Map<string, tf.Tensor>();
  try {
    for (const [name, { data, shape }] of tensors) {
      uploaded.set(name, tf.tensor(data, [...shape], 'float32'));
    }
  } catch (cause) {
    tf.dispose([...uploaded.values()]);
    throw cause;
  }
  return uploaded;
}

interface Step {
  readonly equation: Equation;
  /** Values that nothing needs after this equation. */
  readonly dead: readonly Value[];
}

function planSteps({ parameters, equations, results }: Program): readonly Step[] {
  const needed = new Set<Value>(results.map(({ value }) => value));
  // Parameters are freed by whoever uploaded them.
  for (const { value } of parameters) needed.add(value);
  return equations
    .toReversed()
    .map((equation) => {
      const dead = new Set([...equation.inputs, equation.output].filter((v) => !needed.has(v)));
      for (const value of dead) needed.add(value);
      return { equation, dead: [...dead] };
    })
    .toReversed();
}

function evaluate(
  program: Program,
  steps: readonly Step[],
  resident: ReadonlyMap<string, tf.Tensor>,
  inputs: ReadonlyMap<string, Tensor>,
): Record<string, Tensor> {
  // The outer scope frees everything, also when an equation fails.
  tf.engine().startScope();
  try {
    const given = new Map([...resident, ...upload(inputs)]);
    const values = new Map<Value, tf.Tensor>();
    const read = (value: Value): tf.Tensor => {
      const tensor = values.get(value);
      if (tensor === undefined) throw new Error(`%${String(value)} is not defined`);
      return tensor;
    };
    for (const { name, value } of program.parameters) {
      const tensor = given.get(name);
      if (tensor !== undefined) values.set(value, tensor);
    }
    for (const { equation, dead } of steps) {
      const { op, inputs: operands, attributes, output } = equation;
      values.set(
        output,
        tf.tidy(() => compute(op, operands.map(read), attributes)),
      );
      for (const value of dead) read(value).dispose();
    }
    return Object.fromEntries(
      program.results.map(({ name, value }) => [name, download(read(value))]),
    );
  } finally {
    tf.engine().endScope();
  }
}

function download(tensor: tf.Tensor): Tensor {
  const data = tensor.dataSync();
  if (!(data instanceof Float32Array)) throw new Error(`result has type ${tensor.dtype}`);
  return { shape: tensor.shape, data };
}
