/** Models in memory, for tests of merging. */
import type { Checkpoint, TensorInfo } from '../../../main/checkpoints/checkpoint.ts';
import type { DType } from '../../../main/checkpoints/dtype.ts';
import { normals, randomStream } from '../../../main/lib/random.ts';
import { elementCount, type Tensor } from '../../../main/lib/tensor.ts';
import { mergeGroups } from '../../../main/merging/executor.ts';
import type { Group, GroupSource, Method } from '../../../main/merging/method.ts';
import { resolveParameters, type GivenParameters } from '../../../main/lib/parameters.ts';
import { formatVisionConfig, type VisionConfig } from '../../../main/models/vision-config.ts';
import { visionTensors } from '../../../main/models/vit.ts';

/** The merged values of each group. */
export async function runMethod(
  method: Method,
  given: GivenParameters,
  groups: readonly Group[],
): Promise<Float32Array[]> {
  const source: GroupSource = {
    expertCount: groups[0]?.experts.length ?? 0,
    valueCount: groups.reduce((sum, { base }) => sum + base.length, 0),
    async *groups() {
      yield* groups;
    },
  };
  const merged: Float32Array[] = [];
  const parameters = resolveParameters(method, given, 'test');
  for await (const { data } of mergeGroups(method, parameters, source)) merged.push(data);
  return merged;
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
