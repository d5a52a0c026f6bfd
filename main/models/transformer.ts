/**
 * The pre-LN transformer blocks that both towers of CLIP are made of (Radford et al. 2021), in Hugging
 * Face's layout. Shapes: B sequences, N tokens, d hidden size, f = intermediate size, h heads.
 */
import type { Builder } from '../graph/builder.ts';
import { dimension } from '../graph/ops.ts';
import type { Shape, Value } from '../graph/program.ts';

/** Gives the value of a named weight; where it comes from (a constant, a merge) is the caller's matter. */
export type WeightSource = (name: string) => Value;

/** The MLP of block `layer` applied to u = LN2 output [B, N, d]; returns [B, N, d]. */
export type MlpBlock = (layer: number, u: Value) => Value;

/** The numbers that define the blocks of a tower. */
export interface TransformerShape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly activation: 'quick_gelu' | 'gelu';
  readonly layerNormEpsilon: number;
}

/** x ↦ x·Wᵀ + b of the layer whose tensors are `name`.weight and, where it has one, `name`.bias. */
export type Layer = (name: string, x: Value) => Value;

export interface Blocks {
  /** Names of the tower's tensors begin with it: `vision_model` or `text_model`. */
  readonly root: string;
  readonly weight: WeightSource;
  readonly mlp: MlpBlock;
  /** Stand for the linear layers of the attention, and for the norms; made from `weight` where left out. */
  readonly linear?: Layer | undefined;
  readonly norm?: Layer | undefined;
  /** [N, N], added to the attention scores; without one every token sees all others. */
  readonly mask?: Value;
}

export function blockPrefix(root: string, layer: number): string {
  return `${root}.encoder.layers.${String(layer)}`;
}

/** The tensors of all blocks with their shapes, in the order of transformers' state dict. */
export function blockTensors(
  root: string,
  { layerCount, hiddenSize: d, intermediateSize: f }: TransformerShape,
): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (let layer = 0; layer < layerCount; layer++) {
    const prefix = blockPrefix(root, layer);
    for (const projection of ['k_proj', 'v_proj', 'q_proj', 'out_proj']) {
      addAffine(shapes, `${prefix}.self_attn.${projection}`, [d, d]);
    }
    addAffine(shapes, `${prefix}.layer_norm1`, [d]);
    addAffine(shapes, `${prefix}.mlp.fc1`, [f, d]);
    addAffine(shapes, `${prefix}.mlp.fc2`, [d, f]);
    addAffine(shapes, `${prefix}.layer_norm2`, [d]);
  }
  return shapes;
}

/** Adds a weight of the given shape and the bias beside it. */
export function addAffine(shapes: Map<string, Shape>, name: string, weight: Shape): void {
  shapes.set(`${name}.weight`, weight);
  shapes.set(`${name}.bias`, [weight[0] ?? 0]);
}

/** x [B, N, d] after all blocks. Batch-generic: no equation names B. */
export function transformerBlocks(
  g: Builder,
  shape: TransformerShape,
  input: Value,
  {
    root,
    weight,
    mlp,
    mask,
    linear: apply = (name, u) => linear(g, name, u, weight),
    norm = (name, u) => layerNorm(g, shape, name, u, weight),
  }: Blocks,
): Value {
  let x = input;
  for (let layer = 0; layer < shape.layerCount; layer++) {
    const prefix = blockPrefix(root, layer);
    const project = (projection: string, u: Value) => apply(`${prefix}.self_attn.${projection}`, u);
    const u = norm(`${prefix}.layer_norm1`, x);
    x = g.add(x, attention(g, shape, u, project, mask));
    x = g.add(x, mlp(layer, norm(`${prefix}.layer_norm2`, x)));
  }
  return x;
}

export function layerNorm(
  g: Builder,
  { layerNormEpsilon }: TransformerShape,
  name: string,
  x: Value,
  weight: WeightSource,
): Value {
  return g.layerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`), layerNormEpsilon);
}

export function linear(g: Builder, name: string, x: Value, weight: WeightSource): Value {
  const product = g.matmul(x, weight(`${name}.weight`), { transposeRight: true });
  return g.add(product, weight(`${name}.bias`));
}

function attention(
  g: Builder,
  { hiddenSize: d, headCount: h }: TransformerShape,
  u: Value,
  project: (projection: string, input: Value) => Value,
  mask: Value | undefined,
): Value {
  const n = dimension(g.shape(u), 1);
  const split = (x: Value) => g.transpose(g.reshape(x, [0, n, h, d / h]), [0, 2, 1, 3]);
  const query = split(g.scale(project('q_proj', u), 1 / Math.sqrt(d / h)));
  const key = split(project('k_proj', u));
  const value = split(project('v_proj', u));
  const scores = g.matmul(query, key, { transposeRight: true });
  const weights = g.softmax(mask === undefined ? scores : g.add(scores, mask));
  const mixed = g.transpose(g.matmul(weights, value), [0, 2, 1, 3]);
  return project('out_proj', g.reshape(mixed, [0, n, d]));
}

export function activate(g: Builder, { activation }: TransformerShape, x: Value): Value {
  if (activation === 'quick_gelu') return g.unary('quickGelu', x);
  const half = g.scale(x, 0.5);
  return g.add(half, g.mul(half, g.unary('erf', g.scale(x, Math.SQRT1_2))));
}

/** The MLP of a block from its weights W1 [f, d], b1 [f], W2 [d, f], b2 [d]. */
export function denseMlp(
  g: Builder,
  shape: TransformerShape,
  u: Value,
  weights: readonly Value[],
): Value {
  const [w1, b1, w2, b2] = weights as [Value, Value, Value, Value];
  const hidden = activate(g, shape, g.add(g.matmul(u, w1, { transposeRight: true }), b1));
  return g.add(g.matmul(hidden, w2, { transposeRight: true }), b2);
}

/** The four tensors φ = {W1 [f, d], b1 [f], W2 [d, f], b2 [d]} of the MLP of one block. */
export function blockMlpTensors(
  root: string,
  layer: number,
): readonly [string, string, string, string] {
  const prefix = `${blockPrefix(root, layer)}.mlp`;
  return [
    `${prefix}.fc1.weight`,
    `${prefix}.fc1.bias`,
    `${prefix}.fc2.weight`,
    `${prefix}.fc2.bias`,
  ];
}
