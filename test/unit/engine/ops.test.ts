import { describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { enginesUnderTest, runOnce } from './engines-under-test.ts';
import { deviations } from './numbers.ts';
import { opNames, opPrograms } from './op-program.ts';

const tolerance = 1e-5;
const reference = createReferenceEngine();
const engines = await enginesUnderTest();

it('holds ONNX Runtime and TensorFlow.js against the reference', () => {
  expect(engines.map(({ id }) => id)).toEqual(expect.arrayContaining(['onnx', 'tfjs-wasm']));
});

describe.each(opNames)('%s', (op) => {
  it.each(opPrograms(op))('$title', async ({ program, inputs }) => {
    const expected = await runOnce(reference, program, inputs);
    for (const { id, engine } of engines) {
      const found = deviations(await runOnce(engine, program, inputs), expected);
      for (const [name, worst] of Object.entries(found)) {
        // The objective is a means to gradients; its terms cancel, so its own size is no measure.
        if (name === 'objective') continue;
        expect(worst, `${name} on ${id}`).toBeLessThan(tolerance);
      }
    }
  });
});
