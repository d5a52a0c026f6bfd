/** E-WEMoE, rank-r WEMoE, Twin-Merging and SMILE as NumPy computes them image by image (dynamic.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { adaptiveMethods } from '../../main/adaptation/methods.ts';
import { adaptationStep } from '../../main/adaptation/objective.ts';
import { openSafetensors } from '../../main/checkpoints/safetensors.ts';
import { imageBatch, type Normalisation } from '../../main/data/images.ts';
import { openEngine } from '../../main/engine/registry.ts';
import { encoderProgram } from '../../main/evaluation/evaluate.ts';
import { gradientName } from '../../main/graph/gradient.ts';
import { resolveParameters } from '../../main/lib/parameters.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { stackHeads } from '../../main/models/head.ts';
import { routingName, type MergedModel } from '../../main/models/merged-model.ts';
import { parseVisionConfig } from '../../main/models/vision-config.ts';
import { expectClose, named } from '../support/values.ts';

interface GoldenCase {
  readonly name: string;
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

const read = (path: string) =>
  JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as unknown;
const given = read('adaptation/cases.json') as { config: unknown; normalisation: Normalisation };
const cases = read('dynamic/cases.json') as readonly GoldenCase[];
const config = parseVisionConfig(given.config, { where: 'cases.json', projected: false });

/** The tensors whose names begin with `prefix`, under the rest of their names. */
async function tensorsOf(path: string, prefix: string): Promise<Map<string, Tensor>> {
  const file = await openSafetensors(fileURLToPath(new URL(path, import.meta.url)));
  const found = new Map<string, Tensor>();
  for (const name of file.tensors.keys()) {
    if (name.startsWith(prefix)) found.set(name.slice(prefix.length), await file.read(name));
  }
  await file.close();
  return found;
}

const inputs = await tensorsOf('adaptation/inputs.safetensors', '');
const weights = (prefix: string) =>
  new Map(
    [...inputs].flatMap(([name, tensor]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
    ),
  );
const set = {
  config,
  base: weights('base/'),
  experts: [weights('expert0/'), weights('expert1/')],
};

/** The three images of each task, one after another. */
async function allImages(): Promise<Tensor> {
  const batches = await Promise.all(
    ['0', '1'].map((task) => {
      const pixels = Uint8Array.from(inputs.get(`pixels/${task}`)!.data);
      const store = { size: config.imageSize, count: 3, pixels };
      return imageBatch({ task, store, normalisation: given.normalisation }, [0, 1, 2]);
    }),
  );
  const data = Float32Array.from(batches.flatMap((batch) => [...batch.data]));
  return { shape: [6, ...batches[0]!.shape.slice(1)], data };
}

async function modelOf({ method: id, parameters }: GoldenCase): Promise<MergedModel> {
  const method = adaptiveMethods.find((each) => each.id === id)!;
  const resolved = resolveParameters(method, parameters, 'cases.json');
  const constants = new Map<string, Tensor>();
  for await (const [name, tensor] of method.constants(set, resolved)) constants.set(name, tensor);
  return method.create(set, resolved, 0, constants);
}

describe.each(cases)('$name', (golden) => {
  const file = `dynamic/${golden.name}.safetensors`;

  it.each(['reference', 'onnx', 'tfjs-wasm'] as const)(
    'features and routing, on %s',
    async (id) => {
      const model = await modelOf(golden);
      const values = await tensorsOf(file, 'value/');
      expect([...values.keys()].sort()).toEqual(model.trainables.map(({ name }) => name).sort());
      const program = encoderProgram(model, { batch: 6, reduction: 'per-sample' });
      const executable = await (await openEngine(id)).compile(program, model.constants);
      const found = await executable.run({
        images: await allImages(),
        ...Object.fromEntries(values),
      });
      await executable.dispose();
      const wanted = await tensorsOf(file, '');
      expectClose(named(found, 'features'), wanted.get('features')!, 1e-4);
      const { shape, data } = wanted.get('routing')!;
      const [images = 0, layers = 0, experts = 0] = shape;
      for (let layer = 0; layer < layers; layer++) {
        const rows = Array.from({ length: images }, (_, image) => {
          const start = (image * layers + layer) * experts;
          return [...data.subarray(start, start + experts)];
        });
        const lambdas = { shape: [images, experts], data: Float32Array.from(rows.flat()) };
        expectClose(named(found, routingName(layer)), lambdas, 1e-4);
      }
    },
  );
});

it('Twin-Merging learns by the gradient of the cross-entropy', async () => {
  const golden = cases.find(({ method }) => method === 'twin_merging')!;
  const file = `dynamic/${golden.name}.safetensors`;
  const model = await modelOf(golden);
  const heads = ['0', '1'].map((task) => ({ task, weight: inputs.get(`head/${task}`)! }));
  const classes = Math.max(...heads.map(({ weight }) => weight.shape[0]!));
  const program = adaptationStep(model, {
    tasks: 2,
    batch: 3,
    classes,
    reduction: 'per-sample',
    objective: 'task',
  });
  const { weights: stacked, mask } = stackHeads(heads, classes);
  const own = { shape: [6, 2], data: Float32Array.of(1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1) };
  const executable = await (await openEngine('onnx')).compile(program, model.constants);
  const found = await executable.run({
    images: await allImages(),
    heads: stacked,
    mask,
    own,
    ...Object.fromEntries(await tensorsOf(file, 'value/')),
  });
  await executable.dispose();
  const wanted = await tensorsOf(file, '');
  expect(named(found, 'loss').data[0]).toBeCloseTo(wanted.get('loss')!.data[0]!, 5);
  for (const { name } of model.trainables) {
    expectClose(named(found, gradientName(name)), wanted.get(`gradient/${name}`)!, 1e-4, name);
  }
});
