/** Two oracles for gradients that share no code with main/graph/vjp.ts. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { compute } from '../../../main/engine/tfjs/kernels.ts';
import { gradientName } from '../../../main/graph/gradient.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { automaticGradients, prepareAutomaticGradients, upload } from './automatic-gradients.ts';
import { runOnce } from './engines-under-test.ts';
import { deviation } from './numbers.ts';
import { opNames, opPrograms, type OpProgram } from './op-program.ts';

const reference = createReferenceEngine();
/** Larger cases are left to the comparison with TensorFlow.js: each element costs four runs. */
const elementLimit = 150;

beforeAll(prepareAutomaticGradients);

describe.each(opNames.filter((op) => op !== 'fill'))('gradient of %s', (op) => {
  const programs = opPrograms(op);
  const differentiable = programs.filter(
    ({ smooth, inputs }) =>
      smooth && Object.values(inputs).every(({ data }) => data.length <= elementLimit),
  );

  it.each(differentiable)('$title equals difference quotients', async (opProgram) => {
    const { program, operands, inputs } = opProgram;
    const found = await runOnce(reference, program, inputs);
    for (const name of operands) {
      const expected = await differenceQuotients(opProgram, name);
      expect(deviation(found[gradientName(name)] ?? expected, expected), name).toBeLessThan(2e-4);
      expect(found[gradientName(name)]).toBeDefined();
    }
  });

  it.each(programs.filter(({ smooth }) => smooth))(
    '$title equals the automatic differentiation of TensorFlow.js',
    async ({ program, operands, inputs, attributes, weights }) => {
      const found = await runOnce(reference, program, inputs);
      const objective = (...xs: tf.Tensor[]) =>
        tf.sum(tf.mul(compute(op, xs, attributes), upload(weights)));
      const point = operands.map((name) => inputs[name] ?? weights);
      const expected = automaticGradients(objective, point);
      for (const [index, name] of operands.entries()) {
        const other = expected[index];
        const own = found[gradientName(name)];
        if (own === undefined || other === undefined) throw new Error(`no gradient of ${name}`);
        expect(deviation(own, other), name).toBeLessThan(1e-5);
      }
    },
  );
});

/**
 * Fourth-order central differences of Σ output·weight, summed in float64: with steps of 1/32 both the
 * truncation and the rounding of the fp32 outputs stay near 1e-5.
 */
async function differenceQuotients(
  { program, inputs, weights }: OpProgram,
  name: string,
): Promise<Tensor> {
  const step = 1 / 32;
  const executable = await reference.compile(program, new Map());
  const point = inputs[name] ?? weights;
  const objective = async (index: number, shift: number): Promise<number> => {
    const data = Float32Array.from(point.data);
    data[index] = (data[index] ?? 0) + shift;
    const { output } = await executable.run({ ...inputs, [name]: { shape: point.shape, data } });
    if (output === undefined) throw new Error('the program gave no output');
    return output.data.reduce((total, y, i) => total + y * (weights.data[i] ?? 0), 0);
  };
  const data = new Float32Array(point.data.length);
  for (let i = 0; i < data.length; i++) {
    const near = (await objective(i, step)) - (await objective(i, -step));
    const far = (await objective(i, 2 * step)) - (await objective(i, -2 * step));
    data[i] = (8 * near - far) / (12 * step);
  }
  return { shape: point.shape, data };
}
