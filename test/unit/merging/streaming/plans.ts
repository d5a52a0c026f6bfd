/** Small models on disk, and plans that merge them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredCheckpoint } from '../../../../main/checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../../../main/checkpoints/open.ts';
import { writeSafetensors, type OutputDType } from '../../../../main/checkpoints/writer.ts';
import type { GivenParameters } from '../../../../main/lib/parameters.ts';
import { normals, randomStream } from '../../../../main/lib/random.ts';
import { elementCount } from '../../../../main/lib/tensor.ts';
import { methods } from '../../../../main/merging/index.ts';
import { mergeGroups } from '../../../../main/merging/merge-groups.ts';
import type { Group, Method } from '../../../../main/merging/method.ts';
import type { MergePlan, TensorSource } from '../../../../main/merging/plan.ts';
import { resolveSettings } from '../../../../main/merging/settings.ts';

export type Shapes = Readonly<Record<string, readonly number[]>>;

/** Odd sizes, a scalar, a tensor without values, one with more than one tile and rows of several lengths. */
export const oddShapes: Shapes = {
  'embed.weight': [301, 48],
  'layers.0.attention.weight': [48, 48],
  'layers.0.bias': [47],
  'layers.0.scale': [],
  'layers.1.empty': [0, 8],
  'norm.weight': [3],
};

/** Writes a base and experts of these shapes and opens them; experts are near the base. */
export async function storeModels(
  folder: string,
  shapes: Shapes,
  dtypes: readonly OutputDType[],
): Promise<StoredCheckpoint[]> {
  const models: StoredCheckpoint[] = [];
  for (const [index, dtype] of dtypes.entries()) {
    const path = join(folder, `model-${index}`);
    await mkdir(path, { recursive: true });
    const tensors = Object.entries(shapes).map(([name, shape]) => {
      const count = elementCount(shape);
      const data = normals(randomStream('base', name), count, 0.05);
      const change = normals(randomStream('expert', index, name), count, 0.01);
      if (index > 0) for (let i = 0; i < count; i++) data[i]! += change[i]!;
      return { name, dtype, shape, data };
    });
    await writeSafetensors(join(path, 'model.safetensors'), tensors, new Map([['format', 'pt']]));
    models.push(await openCheckpoint(path));
  }
  return models;
}

export function methodNamed(id: string): Method {
  const method = methods.find((each) => each.id === id);
  if (method === undefined) throw new Error(`no method ${id}`);
  return method;
}

/** Merges all tensors of the first model, the base, with those of as many others as the method takes. */
export function planOf(
  models: readonly StoredCheckpoint[],
  method: Method,
  given: GivenParameters = {},
  dtype: OutputDType = 'BF16',
): MergePlan {
  const checkpoints = models.slice(0, 1 + (method.inputs.experts.max ?? Infinity));
  const settings = resolveSettings(method, given, checkpoints.length - 1, 'test');
  const sources = (tensor: string): TensorSource[] =>
    checkpoints.map((_, checkpoint) => ({ checkpoint, tensor }));
  const tensors = [...checkpoints[0]!.tensors.values()].map(({ name, shape }) => {
    const [base, ...experts] = sources(name);
    return { kind: 'merge' as const, name, shape, dtype, base, experts, settings };
  });
  const recipe = `method: ${method.id}\n`;
  return { checkpoints, method, settings, seed: 7, tensors, companions: [], recipe };
}

/** What the in-memory driver gives for a plan, by tensor, in fp32. */
export async function mergedInMemory(plan: MergePlan): Promise<Map<string, Float32Array>> {
  const { method, settings, seed, checkpoints } = plan;
  const read = async ({ checkpoint, tensor }: TensorSource) =>
    (await checkpoints[checkpoint]!.read(tensor)).data;
  const merged = plan.tensors.filter((tensor) => tensor.kind === 'merge');
  const source = {
    expertCount: settings.settings.length,
    valueCount: merged.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    async *groups(): AsyncGenerator<Group> {
      for (const { name, shape, base, experts } of merged) {
        const values: Float32Array[] = [];
        for (const expert of experts) values.push(await read(expert));
        const origin =
          base === undefined ? new Float32Array(elementCount(shape)) : await read(base);
        yield { name, shape, offset: 0, base: origin, experts: values };
      }
    },
  };
  const result = new Map<string, Float32Array>();
  for await (const { name, data } of mergeGroups({ method, seed, ...settings }, source)) {
    result.set(name, data);
  }
  return result;
}

/** The nearest bf16, ties to even, of an fp32 value; by comparing the two neighbours as numbers. */
export function nearestBf16(value: number): number {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  float[0] = value;
  const below = bits[0]! & 0xffff0000;
  const above = below + 0x10000;
  bits[0] = below;
  const low = float[0];
  bits[0] = above;
  const high = float[0];
  const [toLow, toHigh] = [Math.abs(value - low), Math.abs(high - value)];
  if (toLow !== toHigh) return toLow < toHigh ? low : high;
  return ((below >>> 16) & 1) === 0 ? low : high;
}
