/**
 * SMILE (Tang et al. 2024, arXiv 2408.10174): every linear layer keeps low-rank experts and routes each
 * token to the one whose leading right singular vectors its input lies in most,
 *   y = W0 x + b0 + Σ_{k ∈ top-t} wk (Uk Vkᵀx + Δbk), gk = ‖Vk[:, :q]ᵀx‖, w = softmax(g) among the top t,
 * with Uk diag(σk) Vkᵀ = SVD(Wk − W0) and Uk holding σk here. Nothing is learned and no data are needed. The
 * authors' code keeps a second copy of Vk[:, :q] for its routers; here they read the experts' own.
 */
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/program.ts';
import { elementCount, type Tensor, type TensorMap } from '../lib/tensor.ts';
import { constantWeights, shapeNamed, type MergedModel } from '../models/merged-model.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import {
  attentionLayers,
  denseLayer,
  encodeImages,
  mlpLayers,
  parameterCount,
  visionTensors,
} from '../models/vit.ts';
import { addTaskVectors, dictionaryName, tensorNamed, type ExpertSet } from './dictionary.ts';
import {
  foldLayers,
  layerOf,
  withExperts,
  type ExpertLayer,
  type ExpertLayers,
} from './linear-experts.ts';
import { layerFactors, project, type LayerFactors } from './low-rank.ts';
import { sumOf, type ModelSizes } from './sizes.ts';

export interface SmileShape {
  readonly expertCount: number;
  /** Of the experts. */
  readonly rank: number;
  /** q: leading singular vectors that a gate looks at; at most the rank. */
  readonly gate: number;
  /** t: experts that each token gets. */
  readonly top: number;
}

/** What stands in for tensors that are in no routed layer. */
export type SmileRest = 'base' | 'average';

function routedLayers(
  config: VisionConfig,
  { rank, expertCount }: Pick<SmileShape, 'rank' | 'expertCount'>,
): ExpertLayers {
  const layers = new Map<string, ExpertLayer>();
  for (let block = 0; block < config.layerCount; block++) {
    for (const name of [...attentionLayers(block), ...mlpLayers(block)]) {
      const factors = layerFactors(config, name, { rank: () => rank, expertCount });
      layers.set(name, { router: block, factors });
    }
  }
  return layers;
}

/** Weights of the base, changes of biases, and the factors of the experts. */
export async function* smileConstants(
  set: ExpertSet,
  rank: number,
  rest: SmileRest,
): AsyncGenerator<readonly [name: string, tensor: Tensor]> {
  const layers = routedLayers(set.config, { rank, expertCount: set.experts.length });
  const share = rest === 'base' ? 0 : 1 / set.experts.length;
  for (const name of visionTensors(set.config).keys()) {
    const layer = layers.get(layerOf(name));
    if (layer === undefined) yield [name, addTaskVectors(set, name, share)];
    else yield* withExperts(set, name, tensorNamed(set.base, name), layer, 'left');
  }
}

/** λ of a block, as heatmaps show it: the share of its layers' tokens that each expert gets. */
export function assembleSmile(
  config: VisionConfig,
  shape: SmileShape,
  constants: TensorMap,
): MergedModel {
  const layers = routedLayers(config, shape);
  const { expertCount, rank, gate, top } = shape;
  return {
    config,
    constants,
    trainables: [],
    form: { kind: 'smile', expert_count: expertCount, rank, gate, top },
    encode: (g, images) => {
      const shares: Value[][] = Array.from({ length: config.layerCount }, () => []);
      const weight = constantWeights(g, config);
      const linear = (name: string, x: Value) => {
        const dense = denseLayer(g, name, x, weight);
        const layer = layers.get(name);
        if (layer === undefined) return dense;
        const { term, routing } = routedTerm(g, config, name, x, layer.factors, shape);
        shares[layer.router]?.push(g.mean(routing, [1]));
        return g.add(dense, term);
      };
      const features = encodeImages(g, config, images, weight, { linear });
      const routing = shares.map((all) =>
        g.scale(
          all.reduce((sum, share) => g.add(sum, share)),
          1 / all.length,
        ),
      );
      return { features, routing };
    },
    fold: (_values, lambdas) => foldLayers(config, layers, constants, lambdas),
  };
}

/** What the chosen experts add [B, n, out], and their weights for every token [B, n, K]. */
function routedTerm(
  g: Builder,
  config: VisionConfig,
  name: string,
  x: Value,
  factors: LayerFactors,
  { expertCount: k, gate, top }: SmileShape,
): { term: Value; routing: Value } {
  const { rank } = factors;
  const constant = (key: string) => g.constant(key, shapeNamed(factors.shapes, key));
  const [, tokens = 0] = g.shape(x);
  const projected = g.reshape(project(g, x, constant(factors.right)), [0, tokens, k, rank]);
  const seen = g.slice(projected, 3, 0, Math.min(gate, rank));
  const lengths = g.unary('sqrt', g.sum(g.mul(seen, seen), [3]));
  const routing = topWeights(g, lengths, top);
  const weighted = g.mul(projected, g.reshape(routing, [0, tokens, k, 1]));
  const flat = g.reshape(weighted, [0, tokens, k * rank]);
  const [out = 0] = shapeNamed(visionTensors(config), `${name}.bias`);
  const biases = g.constant(dictionaryName(`${name}.bias`), [k, out]);
  const term = g.add(
    g.matmul(flat, constant(factors.left), { transposeRight: true }),
    g.matmul(routing, biases),
  );
  return { term, routing };
}

/**
 * softmax(g) over the `top` largest of g [B, n, K], 0 for the others; of equals the first counts as larger. The
 * rank of a gate is the number of gates above it.
 */
function topWeights(g: Builder, gates: Value, top: number): Value {
  const [, tokens = 0, k = 0] = g.shape(gates);
  const p = g.softmax(gates);
  if (top >= k) return p;
  const row = g.reshape(gates, [0, tokens, k, 1]);
  const column = g.reshape(gates, [0, tokens, 1, k]);
  const above = g.unary('step', g.sub(column, row));
  // [K, K], 1 where column < row.
  const parts = Array.from({ length: k }, (_, i) => {
    const ones = i === 0 ? undefined : g.fill(1, [1, i]);
    const zeros = g.fill(0, [1, k - i]);
    return ones === undefined ? zeros : g.concat([ones, zeros], 1);
  });
  const notBelow = g.sub(g.fill(1), g.unary('step', g.sub(row, column)));
  const ties = g.mul(g.sub(notBelow, above), g.concat(parts, 0));
  const rank = g.sum(g.add(above, ties), [3]);
  const chosen = g.mul(p, g.unary('step', g.sub(g.fill(top), rank)));
  return g.div(chosen, g.sum(chosen, [2], true));
}

export function smileSizes(config: VisionConfig, shape: SmileShape): ModelSizes {
  const shapes = visionTensors(config);
  let factors = 0;
  let biases = 0;
  for (const [name, layer] of routedLayers(config, shape)) {
    factors += sumOf(layer.factors.shapes);
    biases += shape.expertCount * elementCount(shapeNamed(shapes, `${name}.bias`));
  }
  const total = parameterCount(config) + factors + biases;
  return { trainable: 0, total, dictionary: 0, kept: 0, factors, passes: 1 };
}
