/**
 * AdaMerging (Yang et al., ICLR 2024, arXiv 2310.02575): merge coefficients learned by entropy
 * minimisation; one per task (`task`), or one per task and named tensor (`layer`, as the authors'
 * code counts layers).
 */
import type { Value } from '../graph/program.ts';
import type { Builder } from '../graph/builder.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import { shapeNamed, type MergedModel } from '../models/merged-model.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import { encodeImages, parameterCount, visionTensors } from '../models/vit.ts';
import {
  dictionaryName,
  mergeTensor,
  stackTaskVectors,
  tensorNamed,
  type ExpertSet,
} from './dictionary.ts';
import type { ModelSizes } from './sizes.ts';

export interface AdaMergingOptions {
  readonly granularity: 'task' | 'layer';
  /** Initial value of every coefficient. */
  readonly lambda: number;
  /** Limits coefficients to [0, 1] in the forward pass, as the authors' code does. */
  readonly clamp: boolean;
}

/** Base weights and task vectors of the whole encoder. */
export function* adaMergingConstants(
  set: ExpertSet,
): Generator<readonly [name: string, tensor: Tensor]> {
  for (const name of visionTensors(set.config).keys()) {
    yield [name, tensorNamed(set.base, name)];
    yield [dictionaryName(name), stackTaskVectors(set, name)];
  }
}

export function createAdaMerging(
  set: ExpertSet,
  { granularity, lambda, clamp }: AdaMergingOptions,
  constants: TensorMap = new Map(adaMergingConstants(set)),
): MergedModel {
  const { config } = set;
  const shapes = visionTensors(config);
  const names = [...shapes.keys()];
  const expertCount = set.experts.length;
  const rows = granularity === 'layer' ? names.length : 1;

  return {
    config,
    constants,
    trainables: [
      {
        name: 'coefficients',
        shape: [rows, expertCount],
        initial: new Float32Array(rows * expertCount).fill(lambda),
      },
    ],
    encode: (g, images) => {
      const raw = g.input('coefficients', [rows, expertCount]);
      const coefficients = clamp ? clampToUnit(g, raw) : raw;
      const weight = (name: string): Value => {
        const row = granularity === 'layer' ? names.indexOf(name) : 0;
        const shape = shapeNamed(shapes, name);
        return mergeTensor(g, rows === 1 ? coefficients : g.slice(coefficients, 0, row, row + 1), {
          origin: g.constant(name, shape),
          dictionary: g.constant(dictionaryName(name), [expertCount, elementCount(shape)]),
          shape,
        });
      };
      return { features: encodeImages(g, config, images, weight), routing: [] };
    },
  };
}

/** Sizes from shapes alone; the result is one ordinary model. */
export function adaMergingSizes(
  config: VisionConfig,
  expertCount: number,
  granularity: AdaMergingOptions['granularity'],
): ModelSizes {
  const rows = granularity === 'layer' ? visionTensors(config).size : 1;
  const total = parameterCount(config);
  const kept = expertCount * total;
  return { trainable: rows * expertCount, total, dictionary: total, kept, factors: 0, passes: 1 };
}

/** min(max(x, 0), 1) with gradient 1 in [0, 1], both ends included as in the authors' code, and 0 outside. */
function clampToUnit(g: Builder, x: Value): Value {
  const below = g.unary('relu', g.unary('neg', x));
  const above = g.unary('relu', g.sub(x, g.fill(1)));
  return g.sub(g.add(x, below), above);
}
