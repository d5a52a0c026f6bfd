import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { createAdaMerging } from '../../../main/adaptation/adamerging.ts';
import type { ExpertSet } from '../../../main/adaptation/dictionary.ts';
import { adaptiveMethods } from '../../../main/adaptation/methods.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import { expertNames, type ExportSource } from '../../../main/exporting/source.ts';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { resolveParameters } from '../../../main/lib/parameters.ts';
import { elementCount, type Tensor, type TensorMap } from '../../../main/lib/tensor.ts';
import { initialValues, staticModel, type MergedModel } from '../../../main/models/merged-model.ts';
import type { VisionConfig } from '../../../main/models/vision-config.ts';
import { imageShape, visionTensors } from '../../../main/models/vit.ts';

export const config: VisionConfig = {
  hiddenSize: 16,
  intermediateSize: 32,
  layerCount: 2,
  headCount: 2,
  imageSize: 8,
  patchSize: 4,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: undefined,
};

function randomTensor(key: string, shape: readonly number[], deviation: number): Tensor {
  return { shape, data: normals(randomStream('exporting', key), elementCount(shape), deviation) };
}

/** A base model and three experts close to it. */
function expertSet(of: VisionConfig): ExpertSet {
  const base = new Map<string, Tensor>();
  const experts = [0, 1, 2].map(() => new Map<string, Tensor>());
  for (const [name, shape] of visionTensors(of)) {
    const origin = randomTensor(name, shape, 0.3);
    base.set(name, origin);
    experts.forEach((expert, k) => {
      const change = randomTensor(`${name} ${k}`, shape, 0.1).data;
      expert.set(name, { shape, data: origin.data.map((value, i) => value + change[i]!) });
    });
  }
  const merged = new Map(
    [...base].map(([name, { shape, data }]) => {
      const change = randomTensor(`${name} merged`, shape, 0.1).data;
      return [name, { shape, data: data.map((value, i) => value + change[i]!) }];
    }),
  );
  return { config: of, base, experts, merged };
}

export const variants = [
  'static',
  'adamerging',
  'wemoe0',
  'wemoe1',
  'wemoe2',
  'e_wemoe',
  'rank_wemoe',
  'twin_merging',
  'smile',
  'surgery',
] as const;
export type Variant = (typeof variants)[number];

/** Whether its weights, or at least its routing weights, are worth showing by image. */
export function isDynamic(variant: Variant): boolean {
  return !['static', 'adamerging', 'surgery'].includes(variant);
}

/** Models of methods by their records. */
const recorded: Partial<Record<Variant, Record<string, unknown>>> = {
  e_wemoe: { density: 0.1 },
  rank_wemoe: { rank: 3, routed: 'block', learn_factors: true, shared_router: true },
  twin_merging: { density: 0.2 },
  smile: { rank: 4, gate: 2 },
  surgery: { rank: 3 },
};

function build(variant: Variant, of: VisionConfig): MergedModel {
  const set = expertSet(of);
  const options = { lambda: 0.3, seed: 1 };
  switch (variant) {
    case 'static':
      return staticModel({ config: of, weights: set.base });
    case 'adamerging':
      return createAdaMerging(set, { granularity: 'layer', lambda: 0.3, clamp: true });
    case 'wemoe0':
      return createWemoe(set, { depth: 0, ...options });
    case 'wemoe1':
      return createWemoe(set, { depth: 1, ...options });
    case 'wemoe2':
      return createWemoe(set, { depth: 2, ...options });
    case 'e_wemoe':
    case 'rank_wemoe':
    case 'twin_merging':
    case 'smile':
    case 'surgery': {
      const { method, parameters } = recordOf(variant);
      return method.create(set, parameters, 1, gathered.get(variant)!);
    }
  }
}

function recordOf(variant: Variant) {
  const method = adaptiveMethods.find(({ id }) => id === variant)!;
  return { method, parameters: resolveParameters(method, recorded[variant] ?? {}, variant) };
}

/** Their constants are computed by singular values, which takes a promise. */
const gathered = new Map<Variant, TensorMap>();
for (const variant of variants.filter((each) => recorded[each] !== undefined)) {
  const { method, parameters } = recordOf(variant);
  const constants = new Map<string, Tensor>();
  const made = method.constants(expertSet(config), parameters);
  for await (const [name, tensor] of made) constants.set(name, tensor);
  gathered.set(variant, constants);
}

/** As after some training: every trained value has moved, coefficients past the ends of [0, 1] too. */
function trained(model: MergedModel): Map<string, Tensor> {
  const values = initialValues(model);
  for (const [name, { shape, data }] of values) {
    const change = randomTensor(`trained ${name}`, shape, 0.3).data;
    values.set(name, { shape, data: data.map((value, i) => value + change[i]!) });
  }
  return values;
}

export function exportSource(variant: Variant, of: VisionConfig = config): ExportSource {
  const model = build(variant, of);
  const recipe = 'schema: 1\nname: tiny\n';
  const features = of.projectionSize ?? of.hiddenSize;
  return {
    title: `Tiny ${variant}`,
    model,
    values: trained(model),
    base: { name: 'base', sha256: 'ab'.repeat(32) },
    experts: ['digits', 'letters', 'shapes'].map((name) => ({ name })),
    tasks: [
      ['digits', 10],
      ['letters', 26],
      ['shapes', 3],
    ].map(([id, classes]) => ({
      head: {
        task: String(id),
        weight: randomTensor(`head ${String(id)}`, [Number(classes), features], 5),
      },
      title: `Task ${String(id)}`,
      classNames: Array.from({ length: Number(classes) }, (_, i) => `${String(id)} | ${i}`),
      accuracy: 0.9,
      individualAccuracy: 0.95,
      images: 100,
    })),
    method: { id: variant, title: variant, parameters: { lambda: 0.3 } },
    normalisation: { mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.25, 0.3] },
    recipe: { text: recipe, sha256: createHash('sha256').update(recipe).digest('hex') },
    adaptationData: 'the test images of the three tasks',
    measuredWith: 'per-sample',
  };
}

/** With the names of its experts alone, as outputs are asked for. */
export function named(source: ExportSource) {
  return { ...source, experts: expertNames(source) };
}

export function images(count: number, of: VisionConfig = config): Tensor {
  return randomTensor(`images ${count}`, imageShape(of, count), 1);
}

/** A folder for the tests of one file, removed at the end. */
export function temporaryFolder(): () => string {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mergewright-export-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}

/** Contents of every file below `folder` by relative path. */
export async function contents(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    found.set(path.relative(folder, file), (await readFile(file)).toString('base64'));
  }
  return found;
}
