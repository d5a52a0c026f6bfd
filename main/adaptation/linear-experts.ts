/** What methods with low-rank experts of linear layers share: which layers, their tensors, and folding. */
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import { visionTensors } from '../models/vit.ts';
import { dictionaryName, stackDifferences, tensorNamed, type ExpertSet } from './dictionary.ts';
import { addFactors, factorise, type FactorScale, type LayerFactors } from './low-rank.ts';

/** A layer with experts, and which row of routing weights mixes them. */
export interface ExpertLayer {
  readonly router: number;
  readonly factors: LayerFactors;
}

export type ExpertLayers = ReadonlyMap<string, ExpertLayer>;

/** The layer that a weight or bias belongs to. */
export function layerOf(tensor: string): string {
  return tensor.replace(/\.(weight|bias)$/, '');
}

/** A tensor of the static model, and beside it what the experts change: factors of a weight, all of another. */
export async function* withExperts(
  set: ExpertSet,
  name: string,
  origin: Tensor,
  layer: ExpertLayer | undefined,
  scale: FactorScale,
): AsyncGenerator<readonly [name: string, tensor: Tensor]> {
  yield [name, origin];
  if (layer === undefined || name.endsWith('.bias')) {
    yield [dictionaryName(name), stackDifferences(set, name, origin)];
    return;
  }
  const change = (k: number) => {
    const tuned = tensorNamed(set.experts[k] ?? new Map<string, Tensor>(), name).data;
    return Float64Array.from(tuned, (value, i) => value - origin.data[i]!);
  };
  yield* await factorise(layer.factors, change, scale);
}

/** Ordinary weights: what has experts takes their sum by `lambdas` [router][expert]. */
export function foldLayers(
  config: VisionConfig,
  layers: ExpertLayers,
  tensors: TensorMap,
  lambdas: readonly ArrayLike<number>[],
): ReadonlyMap<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const name of visionTensors(config).keys()) {
    const origin = tensorNamed(tensors, name);
    const layer = layers.get(layerOf(name));
    const row = lambdas[layer?.router ?? 0] ?? [];
    const dictionary = tensors.get(dictionaryName(name));
    if (dictionary !== undefined) weights.set(name, addRows(origin, dictionary, row));
    else if (layer !== undefined)
      weights.set(name, addFactors(origin, layer.factors, tensors, row));
    else weights.set(name, origin);
  }
  return weights;
}

/** θ + Σk λk Δk, summed in float64. */
function addRows(origin: Tensor, { data: rows }: Tensor, lambdas: ArrayLike<number>): Tensor {
  const { data: values } = origin;
  const size = values.length;
  const data = values.map((value, i) => {
    let sum = value;
    for (let k = 0; k < lambdas.length; k++) sum += lambdas[k]! * rows[k * size + i]!;
    return sum;
  });
  return { shape: origin.shape, data };
}
