/**
 * The routers of a WEMoE (Tang et al. 2024, section 3.2): u ↦ λ ∈ R^K, without softmax. Each block has
 * its own, or all share one (E-WEMoE, Shen et al. 2024, arXiv 2410.21804).
 */
import type { Builder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/program.ts';
import { normals, randomStream } from '../lib/random.ts';
import { elementCount } from '../lib/tensor.ts';
import type { EncodeOptions, Trainable } from '../models/merged-model.ts';

/** Number of linear layers: 0 a learned constant, 1 linear, 2 linear-ReLU-linear. */
export type RouterDepth = 0 | 1 | 2;

export interface RouterShape {
  readonly depth: RouterDepth;
  readonly hiddenSize: number;
  readonly expertCount: number;
  /** Whether all blocks have the same router. */
  readonly shared: boolean;
}

/** The authors' code draws weights with this standard deviation (their text says variance). */
const weightDeviation = 0.01;

function routerPrefix(layer: number, { shared }: RouterShape): string {
  return `routers.${shared ? 'shared' : String(layer)}`;
}

/** Tensors of the routers of all blocks. */
export function allRouterTensors(
  layerCount: number,
  shape: RouterShape,
): ReadonlyMap<string, Shape> {
  const layers = Array.from({ length: layerCount }, (_, layer) => layer);
  return new Map(layers.flatMap((layer) => [...routerTensors(layer, shape)]));
}

/** Tensors of the router of block `layer`, in order of application. */
function routerTensors(layer: number, shape: RouterShape): ReadonlyMap<string, Shape> {
  const { depth, hiddenSize: d, expertCount: k } = shape;
  const prefix = routerPrefix(layer, shape);
  const tensors = new Map<string, Shape>();
  if (depth === 2) tensors.set(`${prefix}.fc1.weight`, [d, d]).set(`${prefix}.fc1.bias`, [d]);
  if (depth >= 1) tensors.set(`${prefix}.fc2.weight`, [k, d]);
  return tensors.set(`${prefix}.fc2.bias`, [k]);
}

/** Weights N(0, 0.01²), hidden bias 0, last bias λ0: at the start every λ is close to λ0. */
export function initialRouters(
  layerCount: number,
  shape: RouterShape,
  { lambda, seed }: { lambda: number; seed: number },
): Trainable[] {
  return [...allRouterTensors(layerCount, shape)].map(([name, size]) => {
    const count = elementCount(size);
    if (name.endsWith('.weight')) {
      const random = randomStream(seed, 'router', name);
      return { name, shape: size, initial: normals(random, count, weightDeviation) };
    }
    const last = name.endsWith('fc2.bias');
    return { name, shape: size, initial: new Float32Array(count).fill(last ? lambda : 0) };
  });
}

/**
 * λ [G, K] from u [B, N, d]: the mean over tokens, and over the images of a group, of r(u). The last
 * linear map commutes with the mean, so it is applied to the mean (exact, and N·B/G times cheaper).
 */
export function route(
  g: Builder,
  layer: number,
  shape: RouterShape,
  u: Value,
  { reduction, groups }: EncodeOptions,
): Value {
  const prefix = routerPrefix(layer, shape);
  const tensors = routerTensors(layer, shape);
  const parameter = (name: string) => {
    const key = `${prefix}.${name}`;
    return g.input(key, tensors.get(key) ?? []);
  };
  const bias = g.reshape(parameter('fc2.bias'), [1, shape.expertCount]);
  if (shape.depth === 0) return bias;
  const hidden =
    shape.depth === 1
      ? u
      : g.unary(
          'relu',
          g.add(
            g.matmul(u, parameter('fc1.weight'), { transposeRight: true }),
            parameter('fc1.bias'),
          ),
        );
  const grouped =
    reduction === 'per-sample' ? hidden : g.reshape(hidden, [groups, -1, shape.hiddenSize]);
  const mean = g.mean(grouped, [1]);
  return g.add(g.matmul(mean, parameter('fc2.weight'), { transposeRight: true }), bias);
}
