import type { Parameter, Program } from '../graph/program.ts';
import { shapeOf } from '../graph/program.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import { elementCount, storedValues, widened } from '../lib/tensor.ts';

/** The tensor for every parameter of one kind in fp32, checked against the program; anything else is a bug. */
export function tensorsFor(
  program: Program,
  kind: Parameter['kind'],
  given: TensorMap | Readonly<Record<string, Tensor>>,
): ReadonlyMap<string, Tensor> {
  const tensors = storedTensorsFor(program, kind, given);
  return new Map([...tensors].map(([name, tensor]) => [name, widened(tensor)]));
}

/** As `tensorsFor`, with what is kept in fp16 left so. */
export function storedTensorsFor(
  program: Program,
  kind: Parameter['kind'],
  given: TensorMap | Readonly<Record<string, Tensor>>,
): ReadonlyMap<string, Tensor> {
  const lookup = (name: string) =>
    given instanceof Map ? (given as TensorMap).get(name) : (given as Record<string, Tensor>)[name];
  const tensors = new Map<string, Tensor>();
  for (const parameter of program.parameters) {
    if (parameter.kind !== kind) continue;
    const tensor = lookup(parameter.name);
    if (tensor === undefined)
      throw new Error(`${program.name}: ${kind} "${parameter.name}" is missing`);
    checkShape(program, parameter, tensor);
    tensors.set(parameter.name, tensor);
  }
  return tensors;
}

function checkShape(program: Program, { name, value }: Parameter, tensor: Tensor): void {
  const nominal = shapeOf(program, value);
  const leading = program.batchInputs.includes(name) ? 1 : 0;
  const fits =
    tensor.shape.length === nominal.length &&
    tensor.shape.slice(leading).join() === nominal.slice(leading).join() &&
    storedValues(tensor).length === elementCount(tensor.shape);
  if (!fits) {
    throw new Error(
      `${program.name}: "${name}" has shape [${tensor.shape.join(', ')}], must be [${nominal.join(', ')}]`,
    );
  }
}
