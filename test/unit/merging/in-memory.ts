/** Models in memory, for tests of merging. */
import type { Checkpoint, TensorInfo } from '../../../main/checkpoints/checkpoint.ts';
import type { DType } from '../../../main/checkpoints/dtype.ts';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { elementCount, type Tensor } from '../../../main/lib/tensor.ts';
import type { GivenParameters } from '../../../main/lib/parameters.ts';
import { mergeGroups, type GroupSource } from '../../../main/merging/merge-groups.ts';
import type { Group, Method } from '../../../main/merging/method.ts';
import { resolveSettings } from '../../../main/merging/settings.ts';
import { formatVisionConfig, type VisionConfig } from '../../../main/models/vision-config.ts';
import { visionTensors } from '../../../main/models/vit.ts';

/** The merged values of each group. */
export async function runMethod(
  method: Method,
  given: GivenParameters,
  groups: readonly Group[],
): Promise<Float32Array[]> {
  const source = sourceOf(groups);
  const values = resolveSettings(method, given, source.expertCount, 'test');
  const merged: Float32Array[] = [];
  for await (const { data } of mergeGroups({ method, seed: 1, ...values }, source)) {
    merged.push(data);
  }
  return merged;
}

export function sourceOf(groups: readonly Group[]): GroupSource {
  return {
    expertCount: groups[0]?.experts.length ?? 0,
    valueCount: groups.reduce((sum, { base }) => sum + base.length, 0),
    async *groups() {
      yield* groups;
    },
  };
}

/** A whole tensor; a vector unless a shape is given. */
export function groupOf(
  name: string,
  base: Float32Array,
  experts: readonly Float32Array[],
  shape: readonly number[] = [base.length],
): Group {
  return { name, shape, offset: 0, base, experts };
}

export const tinyConfig: VisionConfig = {
  hiddenSize: 4,
  intermediateSize: 8,
  layerCount: 2,
  headCount: 2,
  imageSize: 4,
  patchSize: 2,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: undefined,
};

export interface MemoryTensor extends Tensor {
  readonly dtype?: DType;
}

export function memoryCheckpoint(
  path: string,
  tensors: ReadonlyMap<string, MemoryTensor>,
  config: unknown = formatVisionConfig(tinyConfig),
): Checkpoint & { readonly reads: string[] } {
  const infos = new Map<string, TensorInfo>();
  for (const [name, { shape, data, dtype = 'F32' }] of tensors) {
    infos.set(name, { name, dtype, shape, byteLength: data.byteLength });
  }
  const reads: string[] = [];
  return {
    path,
    config,
    metadata: new Map(),
    tensors: infos,
    reads,
    async read(name) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new Error(`no tensor ${name}`);
      reads.push(name);
      return { shape: tensor.shape, data: tensor.data.slice() };
    },
    async close() {},
  };
}

/** Normally distributed weights of an encoder, near those of `base` when one is given. */
export function randomWeights(
  key: string,
  base?: ReadonlyMap<string, MemoryTensor>,
  config = tinyConfig,
): Map<string, MemoryTensor> {
  const weights = new Map<string, MemoryTensor>();
  for (const [name, shape] of visionTensors(config)) {
    const random = randomStream(key, name);
    const data = normals(random, elementCount(shape), base === undefined ? 0.05 : 0.005);
    const origin = base?.get(name)?.data;
    weights.set(name, { shape, data: data.map((value, i) => value + (origin?.[i] ?? 0)) });
  }
  return weights;
}
