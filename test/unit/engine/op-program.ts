import { Builder } from '../../../main/graph/builder.ts';
import { gradient } from '../../../main/graph/gradient.ts';
import { ops, type OpName } from '../../../main/graph/ops.ts';
import type { Program } from '../../../main/graph/program.ts';
import { shapeOf } from '../../../main/graph/program.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { randomTensor } from './numbers.ts';
import { opCases, type OpCase } from './op-cases.ts';

/** One case as a program: the operation, a scalar objective, and the gradient of every input. */
export interface OpProgram {
  readonly op: OpName;
  readonly title: string;
  readonly attributes: OpCase['attributes'];
  readonly program: Program;
  /** Names of the operation's inputs, in order. */
  readonly operands: readonly string[];
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Weight of every element of the output in the objective. */
  readonly weights: Tensor;
  /** Whether difference quotients make sense here. */
  readonly smooth: boolean;
}

export const opNames = Object.keys(ops) as OpName[];

/** The programs of one operation's cases. */
export function opPrograms(op: OpName): readonly OpProgram[] {
  return opCases[op].map((opCase, index) => toProgram(op, opCase, index));
}

function toProgram(
  op: OpName,
  { shapes, attributes, range, values }: OpCase,
  seed: number,
): OpProgram {
  const b = new Builder();
  const operands = shapes.map((_, index) => `x${String(index)}`);
  const output = b.apply(
    op,
    operands.map((name, index) => b.input(name, shapes[index] ?? [])),
    attributes,
  );
  const weights = b.input('weights', b.shape(output));
  const weighted = b.mul(output, weights);
  const axes = b.shape(output).map((_, axis) => axis);
  const objective = axes.length === 0 ? weighted : b.sum(weighted, axes);
  const forward = b.build(op, { output, objective });
  const program = gradient(forward, { of: 'objective', withRespectTo: operands });

  const weightTensor = randomTensor(shapeOf(forward, output), seed + 1);
  const inputs: Record<string, Tensor> = { weights: weightTensor };
  operands.forEach((name, index) => {
    const shape = shapes[index] ?? [];
    inputs[name] =
      index === 0 && values !== undefined
        ? { shape, data: Float32Array.from(values) }
        : randomTensor(shape, 100 * seed + index, range);
  });
  const shown = shapes.map((shape) => `[${shape.join(', ')}]`).join(' ');
  return {
    op,
    title: `${op} ${shown} ${JSON.stringify(attributes)}${values === undefined ? '' : ' edges'}`,
    attributes,
    program,
    operands,
    inputs,
    weights: weightTensor,
    smooth: values === undefined,
  };
}
