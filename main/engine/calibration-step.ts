/**
 * One block of an adaptation step, at a model's real sizes: attention, an MLP whose weights are W₀ + λ·D, the entropy of
 * what comes out, and the gradient of λ. What a whole step costs is that times the number of blocks.
 */
import { Builder } from '../graph/builder.ts';
import { gradient } from '../graph/gradient.ts';
import type { Program, Value } from '../graph/program.ts';
import { shapeOf } from '../graph/program.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';

/** What decides how long a block takes. */
export interface BlockShape {
  /** Images of one call. */
  readonly images: number;
  readonly tokens: number;
  readonly width: number;
  readonly hidden: number;
  readonly heads: number;
}

/** CLIP ViT-B/32 with the usual batch. */
export const usualShape: BlockShape = {
  images: 16,
  tokens: 50,
  width: 768,
  hidden: 3072,
  heads: 12,
};

/** Input: `lambda` []. Results: `loss` [] and its gradient. Everything else is constant, as in a step. */
export function calibrationStep({ images, tokens, width, hidden, heads }: BlockShape): Program {
  const b = new Builder();
  const x = b.constant('x', [images, tokens, width]);
  const lambda = b.input('lambda', []);
  const linear = (input: Value, weight: Value) => b.matmul(input, weight, { transposeRight: true });
  const norm = (input: Value, name: string) =>
    b.layerNorm(
      input,
      b.constant(`${name}.scale`, [width]),
      b.constant(`${name}.shift`, [width]),
      1e-5,
    );
  const merged = (name: string, rows: number, columns: number) =>
    b.add(
      b.constant(`${name}.base`, [rows, columns]),
      b.mul(b.constant(`${name}.delta`, [rows, columns]), lambda),
    );

  const u = norm(x, 'norm1');
  const depth = width / heads;
  const split = (name: string) =>
    b.transpose(
      b.reshape(linear(u, b.constant(name, [width, width])), [0, tokens, heads, depth]),
      [0, 2, 1, 3],
    );
  const scores = b.scale(
    b.matmul(split('query'), split('key'), { transposeRight: true }),
    1 / Math.sqrt(depth),
  );
  const mixed = b.matmul(b.softmax(scores), split('value'));
  const joined = b.reshape(b.transpose(mixed, [0, 2, 1, 3]), [0, tokens, width]);
  const attended = b.add(x, linear(joined, b.constant('out', [width, width])));
  const inner = b.unary('quickGelu', linear(norm(attended, 'norm2'), merged('w1', hidden, width)));
  const output = b.add(attended, linear(inner, merged('w2', width, hidden)));
  const entropy = b.unary('neg', b.sum(b.mul(b.softmax(output), b.logSoftmax(output)), [2]));
  const forward = b.build('calibration', { loss: b.mean(entropy, [0, 1]) });
  return gradient(forward, { of: 'loss', withRespectTo: ['lambda'] });
}

/** Floating-point operations of the matrix products of `program`. */
export function productOperations(program: Program): number {
  return program.equations.reduce((sum, { op, inputs, attributes, output }) => {
    if (op !== 'matmul') return sum;
    const left = shapeOf(program, inputs[0] ?? output);
    const transposed = 'transposeLeft' in attributes && attributes.transposeLeft;
    const inner = left.at(transposed ? -2 : -1) ?? 1;
    return sum + 2 * elementCount(shapeOf(program, output)) * inner;
  }, 0);
}

/** Values of every parameter: spread around 0, small where they are weights, so that nothing saturates. */
export function calibrationTensors(program: Program): {
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly inputs: Readonly<Record<string, Tensor>>;
} {
  const constants = new Map<string, Tensor>();
  const inputs: Record<string, Tensor> = {};
  for (const { name, kind, value } of program.parameters) {
    const shape = shapeOf(program, value);
    const scale = shape.length === 2 ? 1 / Math.sqrt(shape[1] ?? 1) : 1;
    if (kind === 'input') inputs[name] = { shape, data: Float32Array.of(0.3) };
    else constants.set(name, { shape, data: spread(elementCount(shape), scale, name.length) });
  }
  return { constants, inputs };
}

/** Numbers in [-scale, scale) by the multiples of the golden ratio: even, without a period, and the same everywhere. */
function spread(length: number, scale: number, seed: number): Float32Array {
  return Float32Array.from(
    { length },
    (_, i) => (((i + 1) * 0.618_033_988_749 + seed * 0.37) % 1) * 2 * scale - scale,
  );
}
