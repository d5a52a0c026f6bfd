/** Whole networks: operations in company, on every engine. */
import type * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { compute } from '../../../main/engine/tfjs/kernels.ts';
import { gradient, gradientName } from '../../../main/graph/gradient.ts';
import type { Program, Value } from '../../../main/graph/program.ts';
import { verify } from '../../../main/graph/verify.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { automaticGradients, prepareAutomaticGradients } from './automatic-gradients.ts';
import { enginesUnderTest, runOnce } from './engines-under-test.ts';
import { deviation, deviations } from './numbers.ts';
import { batchOf, smallNetwork, tokens, weightNames, weights, width } from './small-network.ts';

const reference = createReferenceEngine();
const engines = [{ id: 'reference', engine: reference }, ...(await enginesUnderTest())];
const step = gradient(smallNetwork(3, { loss: true }), {
  of: 'loss',
  withRespectTo: ['x', ...weightNames],
});
let expected: Readonly<Record<string, Tensor>> = {};

beforeAll(async () => {
  await prepareAutomaticGradients();
  expected = await runOnce(reference, step, { x: batchOf(3) }, weights());
});

it('differentiates the network into a well-formed program', () => {
  verify(step);
  expect(step.results.map(({ name }) => name)).toEqual([
    'logits',
    'loss',
    ...['x', ...weightNames].map(gradientName),
  ]);
});

describe.each(engines)('on $id', ({ engine }) => {
  it('gives the outputs and gradients of the reference', async () => {
    const found = deviations(await runOnce(engine, step, { x: batchOf(3) }, weights()), expected);
    for (const [name, worst] of Object.entries(found)) expect(worst, name).toBeLessThan(1e-4);
  });

  it('gives every sample the same features at any batch size', async () => {
    const program = smallNetwork(2, { loss: false });
    const executable = await engine.compile(program, weights());
    const size = 5;
    const together = (await executable.run({ x: batchOf(size) }))['logits'];
    expect(together?.shape).toEqual([size, 6]);
    for (let sample = 0; sample < size; sample++) {
      const one = tokens * width;
      const data = batchOf(size).data.slice(sample * one, (sample + 1) * one);
      const alone = (await executable.run({ x: { shape: [1, tokens, width], data } }))['logits'];
      const row = together?.data.slice(sample * 6, (sample + 1) * 6) ?? new Float32Array();
      expect(deviation(alone ?? batchOf(0), { shape: [1, 6], data: row })).toBeLessThan(1e-5);
    }
    await executable.dispose();
  });

  it('refuses inputs of another shape', async () => {
    const executable = await engine.compile(smallNetwork(2, { loss: false }), weights());
    const bad = { shape: [2, tokens, width + 1], data: new Float32Array(2 * tokens * (width + 1)) };
    await expect(executable.run({ x: bad })).rejects.toThrow(/"x" has shape \[2, 5, 9\]/);
    await expect(executable.run({})).rejects.toThrow(/input "x" is missing/);
    await executable.dispose();
  });

  it('refuses to compile without its constants', async () => {
    const missing = weights();
    missing.delete('head');
    await expect(engine.compile(smallNetwork(2, { loss: false }), missing)).rejects.toThrow(
      /constant "head" is missing/,
    );
  });
});

it('has the gradients that TensorFlow.js finds by itself', () => {
  const forward = smallNetwork(3, { loss: true });
  const names = ['x', ...weightNames];
  const given = new Map([...weights(), ['x', batchOf(3)]]);
  const point = names.map((name) => given.get(name) ?? batchOf(0));
  const found = automaticGradients((...xs) => evaluate(forward, 'loss', names, xs), point);
  names.forEach((name, index) => {
    const own = expected[gradientName(name)];
    const other = found[index];
    if (own === undefined || other === undefined) throw new Error(`no gradient of ${name}`);
    expect(deviation(own, other), name).toBeLessThan(1e-4);
  });
});

/** One result of a program as a function that tf.grads can follow. */
function evaluate(
  program: Program,
  result: string,
  names: readonly string[],
  given: readonly tf.Tensor[],
): tf.Tensor {
  const values = new Map<Value, tf.Tensor>();
  const read = (value: Value | undefined): tf.Tensor => {
    const tensor = value === undefined ? undefined : values.get(value);
    if (tensor === undefined) throw new Error('a value is not defined');
    return tensor;
  };
  for (const { name, value } of program.parameters) {
    const tensor = given[names.indexOf(name)];
    if (tensor !== undefined) values.set(value, tensor);
  }
  for (const { op, inputs, attributes, output } of program.equations) {
    values.set(output, compute(op, inputs.map(read), attributes));
  }
  return read(program.results.find(({ name }) => name === result)?.value);
}
