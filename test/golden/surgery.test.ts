/** A few steps of Representation Surgery as PyTorch takes them (surgery.py). */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { adapt, initialState } from '../../main/adaptation/adapt.ts';
import { addTaskVectors } from '../../main/adaptation/dictionary.ts';
import { createSurgery, joinModules, splitModules } from '../../main/adaptation/surgery.ts';
import { encodedImages, expertFeatures } from '../../main/adaptation/targets.ts';
import { openEngine } from '../../main/engine/registry.ts';
import { compileEncoder } from '../../main/evaluation/evaluate.ts';
import { logits } from '../../main/models/head.ts';
import { visionTensors } from '../../main/models/vit.ts';
import { expectClose } from '../support/values.ts';
import {
  config,
  firstImages,
  golden,
  heads,
  predictionsOf,
  readTensors,
  seed,
  set,
  tasks,
} from './trajectory-inputs.ts';

const file = new URL('surgery/case.json', import.meta.url);
const { rank, lambda, learningRate, loss } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly rank: number;
  readonly lambda: number;
  readonly learningRate: number;
  readonly loss: readonly number[];
};
const { batch } = golden;

/** Down and Up of every task, as PyTorch names them. */
function modulesOf(values: Awaited<ReturnType<typeof readTensors>>, part: string) {
  const tensors = values.get(part)!;
  return tasks.map((_, k) => ({
    down: tensors.get(`${String(k)}.down.weight`)!,
    up: tensors.get(`${String(k)}.up.weight`)!,
  }));
}

it.each([
  ['onnx', 3, 'images'],
  ['onnx', 2, 'images'],
  ['onnx', 2, 'features'],
  ['tfjs-wasm', 3, 'images'],
  ['tfjs-wasm', 3, 'features'],
  ['reference', 3, 'features'],
] as const)('on %s, %i tasks in a call, from %s', async (id, tasksPerCall, from) => {
  const engine = await openEngine(id);
  const fixture = await readTensors('surgery/values');
  const shape = { experts: tasks.length, rank };
  const names = [...visionTensors(config).keys()];
  const merged = new Map(names.map((name) => [name, addTaskVectors(set, name, lambda)]));
  const model = createSurgery(config, shape, 0, merged);
  const state = initialState(model);
  for (const [name, tensor] of joinModules(modulesOf(fixture, 'initial'))) {
    state.values.set(name, tensor);
  }
  const own = await Promise.all(
    tasks.map(async (task, k) => {
      const expert = { config, weights: set.experts[k]! };
      const targets = await expertFeatures(engine, expert, task.images, { batch: 16 });
      if (from === 'images') return { ...task, targets };
      return {
        ...task,
        targets,
        encoded: await encodedImages(engine, model, task.images, { batch: 7 }),
      };
    }),
  );
  const options = {
    steps: loss.length,
    learningRate,
    schedule: 'constant' as const,
    batch,
    reduction: 'per-sample' as const,
    diversity: 0,
    objective: 'representation' as const,
    seed,
    tasksPerCall,
  };
  for await (const report of adapt(engine, model, own, state, options)) {
    expect(Math.abs(report.loss / loss[report.step - 1]! - 1)).toBeLessThan(1e-4);
  }
  expect(state.step).toBe(loss.length);

  const encoder = await compileEncoder(engine, model, state.values, {
    batch,
    reduction: 'per-sample',
  });
  const wanted = modulesOf(fixture, 'final');
  for (const [k, images] of (await firstImages()).entries()) {
    const found = splitModules(state.values, tasks.length)[k]!;
    expectClose(found.down, wanted[k]!.down, 1e-4);
    expectClose(found.up, wanted[k]!.up, 1e-4);
    const { features } = await encoder.encode(
      images,
      Array.from({ length: batch }, () => k),
    );
    expectClose(features, fixture.get('features')!.get(String(k))!, 1e-4);
    const expected = fixture.get('logits')!.get(String(k))!;
    const scores = logits(heads[k]!, features);
    scores.forEach((logit, i) => expect(Math.abs(logit - expected.data[i]!)).toBeLessThan(1e-3));
    const classes = expected.shape[1]!;
    expect(predictionsOf(scores, classes)).toEqual(predictionsOf(expected.data, classes));
  }
  await encoder.dispose();
});
