/** Three steps of every adaptive method as PyTorch takes them (adaptation.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createAdaMerging } from '../../main/adaptation/adamerging.ts';
import { adapt, initialState, type AdaptationTask } from '../../main/adaptation/adapt.ts';
import { adaptationStep } from '../../main/adaptation/objective.ts';
import { createWemoe } from '../../main/adaptation/wemoe.ts';
import type { RouterDepth } from '../../main/adaptation/router.ts';
import { openSafetensors } from '../../main/checkpoints/safetensors.ts';
import { imageBatch, type Normalisation } from '../../main/data/images.ts';
import { openEngine } from '../../main/engine/registry.ts';
import { gradientName } from '../../main/graph/gradient.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { stackHeads } from '../../main/models/head.ts';
import type { MergedModel, Reduction } from '../../main/models/merged-model.ts';
import { parseVisionConfig } from '../../main/models/vision-config.ts';
import { engineOrSkip } from '../support/engines.ts';
import { expectClose, named } from '../support/values.ts';

interface GoldenCase {
  readonly name: string;
  readonly wemoe?: { readonly depth: RouterDepth; readonly reduction: Reduction };
  readonly adamerging?: { readonly granularity: 'task' | 'layer'; readonly clamp: boolean };
  readonly schedule: 'constant' | 'cosine';
  readonly steps: readonly {
    readonly entropy: readonly number[];
    readonly learningRate: number;
    readonly routing: readonly (readonly (readonly number[])[])[];
  }[];
}

interface Golden {
  readonly config: unknown;
  readonly lambda: number;
  readonly learningRate: number;
  readonly images: number;
  readonly normalisation: Normalisation;
  readonly cases: readonly GoldenCase[];
}

const folder = new URL('adaptation/', import.meta.url);
const golden = JSON.parse(readFileSync(new URL('cases.json', folder), 'utf8')) as Golden;
const config = parseVisionConfig(golden.config, { where: 'cases.json', projected: false });

/** All tensors of a fixture, by the first part of their names. */
async function readTensors(name: string): Promise<Map<string, Map<string, Tensor>>> {
  const file = await openSafetensors(fileURLToPath(new URL(`${name}.safetensors`, folder)));
  const parts = new Map<string, Map<string, Tensor>>();
  for (const full of file.tensors.keys()) {
    const slash = full.indexOf('/');
    const part = full.slice(0, slash);
    const group = parts.get(part) ?? new Map<string, Tensor>();
    parts.set(part, group.set(full.slice(slash + 1), await file.read(full)));
  }
  await file.close();
  return parts;
}

const inputs = await readTensors('inputs');
const part = (name: string) => inputs.get(name) ?? new Map<string, Tensor>();
const set = { config, base: part('base'), experts: [part('expert0'), part('expert1')] };

const tasks: AdaptationTask[] = [...part('head').entries()].map(([index, weight]) => ({
  head: { task: index, weight },
  images: {
    task: index,
    // A batch is a whole epoch, so the order of images within it does not matter.
    store: {
      size: config.imageSize,
      count: golden.images,
      pixels: Uint8Array.from(part('pixels').get(index)?.data ?? []),
    },
    normalisation: golden.normalisation,
  },
}));

function modelOf({ wemoe, adamerging }: GoldenCase): MergedModel {
  const { lambda } = golden;
  if (wemoe !== undefined) return createWemoe(set, { depth: wemoe.depth, lambda, seed: 0 });
  if (adamerging !== undefined) return createAdaMerging(set, { ...adamerging, lambda });
  throw new Error('neither method');
}

const everywhere = ['reference', 'onnx', 'tfjs-wasm', 'tfjs-node'] as const;

describe.each(golden.cases)('$name', (golden_) => {
  const model = modelOf(golden_);
  const reduction = golden_.wemoe?.reduction ?? 'per-sample';
  const classes = Math.max(...tasks.map(({ head }) => head.weight.shape[0]!));

  it('has the trainables of the fixture', async () => {
    const initial = (await readTensors(golden_.name)).get('initial')!;
    expect(model.trainables.map(({ name }) => name).sort()).toEqual([...initial.keys()].sort());
    for (const { name, shape } of model.trainables) expect(initial.get(name)?.shape).toEqual(shape);
  });

  it.for(everywhere)('the first gradient, on %s', async (id, { skip }) => {
    const engine = await engineOrSkip(id, skip);
    const fixture = await readTensors(golden_.name);
    const program = adaptationStep(model, {
      tasks: tasks.length,
      batch: golden.images,
      classes,
      reduction,
    });
    const executable = await engine.compile(program, model.constants);
    const { weights: heads, mask } = stackHeads(
      tasks.map(({ head }) => head),
      classes,
    );
    const batches = await Promise.all(tasks.map(({ images }) => imageBatch(images, [0, 1, 2])));
    const images = {
      shape: [tasks.length * golden.images, ...batches[0]!.shape.slice(1)],
      data: Float32Array.from(batches.flatMap(({ data }) => [...data])),
    };
    const initial = Object.fromEntries(fixture.get('initial')!);
    const found = await executable.run({ images, heads, mask, ...initial });
    await executable.dispose();
    for (const [name, wanted] of fixture.get('gradient')!) {
      expectClose(named(found, gradientName(name)), wanted, 1e-4, name);
    }
  });

  it.each([1, 2])('three steps of Adam with %i tasks in a call', async (tasksPerCall) => {
    const fixture = await readTensors(golden_.name);
    const state = initialState(model);
    for (const [name, { shape, data }] of fixture.get('initial')!) {
      state.values.set(name, { shape, data: data.slice() });
    }
    const options = {
      steps: golden_.steps.length,
      learningRate: golden.learningRate,
      schedule: golden_.schedule,
      batch: golden.images,
      reduction,
      diversity: 0,
      objective: 'entropy' as const,
      seed: 0,
      tasksPerCall,
    };
    const engine = await openEngine('onnx');
    for await (const report of adapt(engine, model, tasks, state, options)) {
      const wanted = golden_.steps[report.step - 1]!;
      report.entropy.forEach((entropy, i) => expect(entropy).toBeCloseTo(wanted.entropy[i]!, 4));
      expect(report.loss).toBeCloseTo(wanted.entropy[0]! + wanted.entropy[1]!, 4);
      expect(report.learningRate).toBeCloseTo(wanted.learningRate, 12);
      expect(report.routing.length).toBe(wanted.routing.length);
      report.routing.flat(2).forEach((lambda, i) => {
        expect(lambda).toBeCloseTo(wanted.routing.flat(2)[i]!, 4);
      });
    }
    for (const [name, wanted] of fixture.get('final')!) {
      const slopes = fixture.get('gradient')!.get(name)!.data;
      const found = state.values.get(name)!.data;
      wanted.data.forEach((value, i) => {
        // Attention does not depend on the bias of its keys; Adam would enlarge the rounding of that zero.
        const noise = slopes[i] !== 0 && Math.abs(slopes[i]!) < 1e-6;
        if (!noise) expect(found[i], `${name} ${i}`).toBeCloseTo(value, 4);
      });
    }
  });
});
