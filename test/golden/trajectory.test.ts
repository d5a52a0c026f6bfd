/** Twenty steps of WEMoE and of layer-wise AdaMerging as PyTorch takes them (trajectory.py). */
import { describe, expect, it } from 'vitest';
import { createAdaMerging } from '../../main/adaptation/adamerging.ts';
import { adapt, initialState, type AdaptationState } from '../../main/adaptation/adapt.ts';
import { adaptationStep } from '../../main/adaptation/objective.ts';
import { createWemoe } from '../../main/adaptation/wemoe.ts';
import { openEngine } from '../../main/engine/registry.ts';
import { compileEncoder } from '../../main/evaluation/evaluate.ts';
import { gradientName } from '../../main/graph/gradient.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { logits, stackHeads } from '../../main/models/head.ts';
import type { MergedModel } from '../../main/models/merged-model.ts';
import { engineOrSkip } from '../support/engines.ts';
import { expectClose, named } from '../support/values.ts';
import {
  firstImages,
  golden,
  heads,
  predictionsOf,
  readTensors,
  seed,
  set,
  tasks,
  type GoldenCase,
} from './trajectory-inputs.ts';

const { steps, batch, lambda } = golden;
const engines = ['onnx', 'tfjs-wasm', 'tfjs-node'] as const;

function modelOf({ reduction }: GoldenCase): MergedModel {
  if (reduction === null)
    return createAdaMerging(set, { granularity: 'layer', clamp: true, lambda });
  return createWemoe(set, { depth: 2, lambda, seed: 0 });
}

/** Row `index` of a tensor that holds values after several updates. */
function rowOf({ shape, data }: Tensor, index: number): Tensor {
  const size = data.length / shape[0]!;
  return { shape: shape.slice(1), data: data.slice(index * size, (index + 1) * size) };
}

describe.each(golden.cases)('$name', (each) => {
  const model = modelOf(each);
  const reduction = each.reduction ?? 'per-sample';

  it.for(engines)('the first gradient, on %s', async (id, { skip }) => {
    const fixture = await readTensors(`trajectory/${each.name}`);
    const classes = Math.max(...heads.map(({ weight }) => weight.shape[0]!));
    const shape = { tasks: tasks.length, batch, classes, reduction };
    const engine = await engineOrSkip(id, skip);
    const executable = await engine.compile(adaptationStep(model, shape), model.constants);
    const { weights, mask } = stackHeads(heads, classes);
    const parts = await firstImages();
    const images = {
      shape: [tasks.length * batch, ...parts[0]!.shape.slice(1)],
      data: Float32Array.from(parts.flatMap(({ data }) => [...data])),
    };
    const initial = [...fixture.get('values')!].map(([name, tensor]) => [name, rowOf(tensor, 0)]);
    const found = await executable.run({
      images,
      heads: weights,
      mask,
      ...(Object.fromEntries(initial) as Record<string, Tensor>),
    });
    await executable.dispose();
    for (const { name } of model.trainables) {
      const wanted = fixture.get('gradient')!.get(name)!;
      expectClose(named(found, gradientName(name)), wanted, 1e-3, name);
    }
  });

  it.for(engines)(
    'loss and parameters of twenty steps, then predictions, on %s',
    async (id, { skip }) => {
      const fixture = await readTensors(`trajectory/${each.name}`);
      const history = fixture.get('values')!;
      const state = initialState(model);
      for (const name of state.values.keys()) state.values.set(name, rowOf(history.get(name)!, 0));
      const engine = await engineOrSkip(id, skip);
      const entropies = fixture.get('entropy')!.get('')!;
      const options = {
        steps,
        learningRate: each.learningRate,
        schedule: 'constant' as const,
        batch,
        reduction,
        diversity: 0,
        objective: 'entropy' as const,
        seed,
        tasksPerCall: tasks.length,
      };
      let compared = 0;
      for await (const report of adapt(engine, model, tasks, state, options)) {
        const wanted = rowOf(entropies, report.step - 1).data;
        report.entropy.forEach((entropy, task) => {
          expect(Math.abs(entropy / wanted[task]! - 1)).toBeLessThan(1e-3);
        });
        const total = wanted.reduce((sum, entropy) => sum + entropy);
        expect(Math.abs(report.loss / total - 1)).toBeLessThan(1e-3);
        const row = each.recorded.indexOf(report.step);
        if (row >= 0) compared += compareValues(state, fixture, row, `step ${String(report.step)}`);
      }
      expect(compared).toBeGreaterThan(0);
      await comparePredictions(id, state, fixture);
    },
  );

  /** Holds every value within 1e-3 of how far the farthest value of its tensor has come. */
  function compareValues(
    { values }: AdaptationState,
    fixture: ReadonlyMap<string, ReadonlyMap<string, Tensor>>,
    row: number,
    when: string,
  ): number {
    let compared = 0;
    for (const [name, { data }] of values) {
      const [start, wanted] = [0, row].map(
        (at) => rowOf(fixture.get('values')!.get(name)!, at).data,
      );
      const slopes = fixture.get('gradient')!.get(name)!.data;
      const moved = Math.max(...wanted!.map((value, i) => Math.abs(value - start![i]!)));
      wanted!.forEach((value, i) => {
        // Attention does not depend on the bias of its keys; Adam would enlarge the rounding of that zero.
        if (slopes[i] !== 0 && Math.abs(slopes[i]!) < 1e-6) return;
        const gap = Math.abs(data[i]! - value) / moved;
        expect(gap, `${name} ${String(i)}, ${when}`).toBeLessThan(1e-3);
        compared++;
      });
    }
    return compared;
  }

  async function comparePredictions(
    id: (typeof engines)[number],
    { values }: AdaptationState,
    fixture: ReadonlyMap<string, ReadonlyMap<string, Tensor>>,
  ): Promise<void> {
    const encoder = await compileEncoder(await openEngine(id), model, values, { batch, reduction });
    for (const [index, images] of (await firstImages()).entries()) {
      const wanted = {
        features: fixture.get('features')!.get(String(index))!,
        logits: fixture.get('logits')!.get(String(index))!,
      };
      const { features } = await encoder.encode(images);
      expectClose(features, wanted.features, 1e-4);
      const classes = wanted.logits.shape[1]!;
      const found = logits(heads[index]!, features);
      found.forEach((logit, i) =>
        expect(Math.abs(logit - wanted.logits.data[i]!)).toBeLessThan(1e-3),
      );
      expect(predictionsOf(found, classes)).toEqual(predictionsOf(wanted.logits.data, classes));
    }
    await encoder.dispose();
  }
});
