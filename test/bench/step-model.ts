/** A WEMoE of CLIP ViT-B/32's shapes with random weights (routers of two layers), and the inputs of one task's step. */
import { dictionaryName } from '../../main/adaptation/dictionary.ts';
import { initialRouters } from '../../main/adaptation/router.ts';
import { assembleWemoe } from '../../main/adaptation/wemoe.ts';
import type { Program } from '../../main/graph/program.ts';
import { elementCount, type Tensor } from '../../main/lib/tensor.ts';
import { initialValues, type MergedModel } from '../../main/models/merged-model.ts';
import { imageShape, mlpTensors, visionTensors } from '../../main/models/vit.ts';
import { vitB32 } from './vit-models.ts';

export interface StepSize {
  readonly layers: number;
  readonly experts: number;
  readonly batch: number;
  readonly classes: number;
}

let seed = 1;

/** Uniform in ±`range`; a product generator, as billions of numbers are drawn. */
function random(shape: readonly number[], range: number): Tensor {
  const data = new Float32Array(elementCount(shape));
  for (let i = 0; i < data.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    data[i] = (seed / 2 ** 31) * range;
  }
  return { shape, data };
}

/** A model without its constants: enough to make programs of. */
export function shapesOfWemoe({ layers, experts }: StepSize): MergedModel {
  const config = { ...vitB32, layerCount: layers, projectionSize: undefined };
  const { hiddenSize } = config;
  const router = { depth: 2, hiddenSize, expertCount: experts, shared: false } as const;
  const trainables = initialRouters(layers, router, { lambda: 0.3, seed: 1 });
  return assembleWemoe({ config, constants: new Map(), trainables, router });
}

/**
 * As `createWemoe` makes it, but without a base and experts to make it from; the same in every process. `keep` says how
 * a constant is kept.
 */
export function randomWemoe(
  size: StepSize,
  keep: (name: string, tensor: Tensor) => Tensor = (_name, tensor) => tensor,
): MergedModel {
  seed = 1;
  const { layers, experts } = size;
  const model = shapesOfWemoe(size);
  const { config } = model;
  const constants = new Map<string, Tensor>();
  for (const [name, shape] of visionTensors(config)) {
    const tensor = random(shape, 0.04);
    const scale = name.includes('norm') && name.endsWith('.weight');
    constants.set(name, keep(name, scale ? { shape, data: tensor.data.fill(1) } : tensor));
  }
  for (let layer = 0; layer < layers; layer++) {
    for (const name of mlpTensors(layer)) {
      const values = elementCount(constants.get(name)!.shape);
      const dictionary = dictionaryName(name);
      constants.set(dictionary, keep(dictionary, random([experts, values], 0.004)));
    }
  }
  return { ...model, constants };
}

export function stepInputs(
  model: MergedModel,
  { batch, classes }: StepSize,
): Record<string, Tensor> {
  seed = 2;
  return {
    images: random(imageShape(model.config, batch), 2),
    heads: random([1, classes, model.config.hiddenSize], 4),
    mask: { shape: [1, 1, classes], data: new Float32Array(classes) },
    ...Object.fromEntries(initialValues(model)),
  };
}

/** Floating-point operations of the matrix products of a program, two for a multiply-add. */
export function productOperations({ equations, shapes }: Program): number {
  let operations = 0;
  for (const { op, inputs, attributes, output } of equations) {
    if (op !== 'matmul') continue;
    const left = shapes[inputs[0]!]!;
    const { transposeLeft } = attributes as { transposeLeft: boolean };
    operations += 2 * elementCount(shapes[output]!) * left.at(transposeLeft ? -2 : -1)!;
  }
  return operations;
}
