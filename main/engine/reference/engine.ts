import type { OpAttributes, OpName } from '../../graph/ops.ts';
import type { Program, Value } from '../../graph/program.ts';
import type { Tensor } from '../../lib/tensor.ts';
import { tensorsFor } from '../check-inputs.ts';
import type { Engine, Executable } from '../engine.ts';
import { kernels } from './kernels.ts';

/** Runs a program one equation at a time with the definitions of kernels.ts. */
export function createReferenceEngine(): Engine {
  return {
    description: {
      id: 'reference',
      title: 'Reference definitions, plain JavaScript',
      device: 'cpu',
      precision: 'fp32',
      threads: 1,
    },
    compile: async (program, constants) => {
      const resident = tensorsFor(program, 'constant', constants);
      return {
        run: async (inputs) =>
          evaluate(program, new Map([...resident, ...tensorsFor(program, 'input', inputs)])),
        dispose: async () => undefined,
      } satisfies Executable;
    },
  };
}

function evaluate(program: Program, given: ReadonlyMap<string, Tensor>): Record<string, Tensor> {
  const values = new Map<Value, Tensor>();
  const read = (value: Value): Tensor => {
    const tensor = values.get(value);
    if (tensor === undefined) throw new Error(`%${String(value)} is not defined`);
    return tensor;
  };
  for (const { name, value } of program.parameters) {
    const tensor = given.get(name);
    if (tensor !== undefined) values.set(value, tensor);
  }
  for (const { op, inputs, attributes, output } of program.equations) {
    const kernel = kernels[op] as (x: readonly Tensor[], a: OpAttributes[OpName]) => Tensor;
    values.set(output, kernel(inputs.map(read), attributes));
  }
  return Object.fromEntries(program.results.map(({ name, value }) => [name, read(value)]));
}
