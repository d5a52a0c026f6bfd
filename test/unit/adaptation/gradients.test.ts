/** The gradient of a step, against oracles that do not share its rules. */
import type * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Objective } from '../../../main/adaptation/objective.ts';
import type { RouterDepth } from '../../../main/adaptation/router.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import { openEngine } from '../../../main/engine/registry.ts';
import { compute } from '../../../main/engine/tfjs/kernels.ts';
import { gradientName } from '../../../main/graph/gradient.ts';
import type { Program, Value } from '../../../main/graph/program.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import {
  routingName,
  type MergedModel,
  type Reduction,
} from '../../../main/models/merged-model.ts';
import { encodeImages, mlpTensors, visionTensors } from '../../../main/models/vit.ts';
import {
  mergeExplicitly,
  moved,
  only,
  onnx,
  randomTargets,
  runStep,
  stepOf,
  type StepCase,
} from '../../support/adaptation-step.ts';
import {
  expertSet,
  pickImages,
  randomHead,
  randomImages,
  tinyConfig,
} from '../../support/tiny-models.ts';
import { expectClose, named } from '../../support/values.ts';
import { automaticGradients, prepareAutomaticGradients } from '../engine/automatic-gradients.ts';

const config = { ...tinyConfig, hiddenSize: 8, intermediateSize: 12 };
const set = expertSet(2, config);
const heads = [randomHead('a', 4, 8), randomHead('b', 6, 8)];
const batch = 2;

/**
 * A WEMoE away from its start. Hidden units of the routers are far from their kink, every other one
 * off, so that difference quotients are exact.
 */
function stepCase(
  depth: RouterDepth,
  reduction: Reduction,
  diversity = 0,
  objective: Objective = 'entropy',
): StepCase {
  const model = createWemoe(set, { depth, lambda: 0.3, seed: 1 });
  const values = moved(model, 0.1);
  for (const [name, { data }] of values) {
    if (name.endsWith('fc1.bias')) data.forEach((_, i) => (data[i] = i % 2 === 0 ? 3 : -3));
  }
  const targets = objective === 'entropy' ? {} : { targets: randomTargets(heads, batch) };
  return { model, heads, batch, reduction, values, diversity, ...targets };
}

interface GradientCase {
  readonly depth: RouterDepth;
  readonly reduction: Reduction;
  readonly diversity: number;
  readonly objective: Objective;
}

const cases: GradientCase[] = ([0, 1, 2] as const).flatMap((depth) =>
  (['per-sample', 'batch-mean'] as const).map((reduction) => ({
    depth,
    reduction,
    // Once without the marginal entropy, as published, and once with it.
    diversity: reduction === 'per-sample' ? 0.7 : 0,
    objective: 'entropy',
  })),
);
cases.push({ depth: 1, reduction: 'per-sample', diversity: 0, objective: 'distillation' });

beforeAll(prepareAutomaticGradients);

describe.each(cases)('routers of depth $depth, $reduction, β = $diversity, $objective', (each) => {
  const { depth, reduction, diversity, objective } = each;
  const step = stepCase(depth, reduction, diversity, objective);
  const trained = step.model.trainables.map(({ name }) => name);

  it('has the gradient of difference quotients', async () => {
    const { program, inputs } = stepOf(step);
    const found = await runStep(step);
    const executable = await onnx.compile(only(program, 'loss'), step.model.constants);
    const width = 1 / 16;
    for (const name of trained) {
      const { shape, data } = step.values.get(name)!;
      const loss = async (i: number, shift: number) => {
        const changed = data.slice();
        changed[i] = data[i]! + shift;
        const result = await executable.run({ ...inputs, [name]: { shape, data: changed } });
        return named(result, 'loss').data[0]!;
      };
      const quotients = new Float32Array(data.length);
      for (let i = 0; i < data.length; i++) {
        // Fourth order, so that the step may be wide enough for fp32.
        const near = (await loss(i, width)) - (await loss(i, -width));
        const far = (await loss(i, 2 * width)) - (await loss(i, -2 * width));
        quotients[i] = (8 * near - far) / (12 * width);
      }
      const gradient = named(found, gradientName(name));
      expectClose(gradient, { shape, data: quotients }, 2e-3, name);
      expect(Math.max(...gradient.data.map(Math.abs)), name).toBeGreaterThan(1e-4);
    }
    await executable.dispose();
  });

  it('has the gradient that TensorFlow.js finds by itself', async () => {
    const { program, inputs } = stepOf(step);
    const forward = only(program, 'loss');
    const given = new Map([...step.model.constants, ...Object.entries(inputs)]);
    const names = forward.parameters.map(({ name }) => name);
    const point = names.map((name) => given.get(name)!);
    const oracle = automaticGradients((...xs) => evaluate(forward, names, xs), point);
    const found = await runStep(step);
    for (const name of trained) {
      expectClose(named(found, gradientName(name)), oracle[names.indexOf(name)]!, 1e-4, name);
    }
  });

  it.each(['onnx', 'tfjs-wasm'] as const)('is the same step on %s', async (id) => {
    const wanted = await runStep(step, await openEngine('reference'));
    const found = await runStep(step, await openEngine(id));
    expect(Object.keys(found).sort()).toEqual(Object.keys(wanted).sort());
    for (const [name, tensor] of Object.entries(wanted)) {
      expectClose(named(found, name), tensor, 1e-4, name);
    }
  });
});

it('dλk = ⟨dW1,ΔW1k⟩ + ⟨db1,Δb1k⟩ + ⟨dW2,ΔW2k⟩ + ⟨db2,Δb2k⟩', async () => {
  // With constant routers the gradient of the bias is that of λ.
  const step = stepCase(0, 'per-sample');
  const found = await runStep(step);
  const lambdas = [0, 1].map((layer) => step.values.get(`routers.${layer}.fc2.bias`)!.data);
  const oracle = await runStep(trainableMlps(step.model, lambdas));
  for (const layer of [0, 1]) {
    const slopes = Float32Array.from([0, 1], (k) => {
      let sum = 0;
      for (const name of mlpTensors(layer)) {
        const base = set.base.get(name)!.data;
        const expert = set.experts[k]!.get(name)!.data;
        named(oracle, gradientName(name)).data.forEach((slope, i) => {
          sum += slope * (expert[i]! - base[i]!);
        });
      }
      return sum;
    });
    const gradient = named(found, gradientName(`routers.${layer}.fc2.bias`));
    expectClose(gradient, { shape: [2], data: slopes }, 1e-4);
  }
});

/** The same weights as one ordinary encoder whose MLPs are trained themselves. */
function trainableMlps(wemoe: MergedModel, lambdas: readonly Float32Array[]): StepCase {
  const mlps = new Map(
    [0, 1].flatMap((layer) =>
      mlpTensors(layer).map(
        (name) => [name, mergeExplicitly(set.base, set.experts, name, lambdas[layer]!)] as const,
      ),
    ),
  );
  const shapes = visionTensors(config);
  const model: MergedModel = {
    config,
    constants: new Map([...wemoe.constants].filter(([name]) => !mlps.has(name))),
    trainables: [...mlps].map(([name, { shape, data }]) => ({ name, shape, initial: data })),
    encode: (g, images) => ({
      features: encodeImages(g, config, images, (name) =>
        mlps.has(name) ? g.input(name, shapes.get(name)!) : g.constant(name, shapes.get(name)!),
      ),
      routing: [],
    }),
  };
  return { model, heads, batch, reduction: 'per-sample', values: mlps };
}

describe('per-sample routing', () => {
  it.each<RouterDepth>([1, 2])('equals one sample at a time, depth %i', async (depth) => {
    const { model, values } = stepCase(depth, 'per-sample');
    const images = randomImages(4, config);
    const head = heads[1]!;
    const rest = { model, heads: [head], reduction: 'per-sample', values } as const;
    const together = await runStep({ ...rest, batch: 4, images });
    const alone: Readonly<Record<string, Tensor>>[] = [];
    for (let i = 0; i < 4; i++) {
      alone.push(await runStep({ ...rest, batch: 1, images: pickImages(images, i, i + 1) }));
    }
    for (const name of ['loss', 'entropy', ...model.trainables.map((t) => gradientName(t.name))]) {
      const { shape, data } = named(together, name);
      const mean = data.map((_, i) =>
        alone.reduce((sum, r) => sum + named(r, name).data[i]! / 4, 0),
      );
      expectClose({ shape, data }, { shape, data: mean }, 1e-5, name);
    }
    for (const layer of [0, 1]) {
      const rows = alone.flatMap((result) => [...named(result, routingName(layer)).data]);
      const wanted = { shape: [4, 2], data: Float32Array.from(rows) };
      expectClose(named(together, routingName(layer)), wanted, 1e-5);
    }
  });

  it('is not batch-mean routing', async () => {
    const perSample = await runStep(stepCase(2, 'per-sample'));
    const shared = await runStep(stepCase(2, 'batch-mean'));
    expect(named(perSample, routingName(0)).shape).toEqual([4, 2]);
    expect(named(shared, routingName(0)).shape).toEqual([2, 2]);
    expect(named(shared, 'loss').data[0]).not.toBeCloseTo(named(perSample, 'loss').data[0]!, 5);
  });
});

/** The one result of a program as a function that tf.grads can follow. */
function evaluate(
  program: Program,
  names: readonly string[],
  given: readonly tf.Tensor[],
): tf.Tensor {
  const values = new Map<Value, tf.Tensor>();
  for (const { name, value } of program.parameters) values.set(value, given[names.indexOf(name)]!);
  for (const { op, inputs, attributes, output } of program.equations) {
    const operands = inputs.map((input) => values.get(input)!);
    values.set(output, compute(op, operands, attributes));
  }
  return values.get(program.results[0]!.value)!;
}
