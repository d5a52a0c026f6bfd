import { Builder } from '../../../main/graph/builder.ts';
import type { Program, Value } from '../../../main/graph/program.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { randomTensor } from './numbers.ts';

export const tokens = 5;
export const width = 8;
const heads = 2;
const hidden = 12;
const classes = 6;

/** Small enough to keep attention and entropy away from saturation. */
const weightScale = 0.3;

const weightShapes = {
  'norm1.scale': [width],
  'norm1.shift': [width],
  query: [width, width],
  key: [width, width],
  value: [width, width],
  out: [width, width],
  'norm2.scale': [width],
  'norm2.shift': [width],
  w1: [hidden, width],
  b1: [hidden],
  w2: [width, hidden],
  b2: [width],
  head: [classes, width],
} as const;

export const weightNames = Object.keys(weightShapes);

export function weights(): Map<string, Tensor> {
  return new Map(
    Object.entries(weightShapes).map(([name, shape], index) => {
      const { data } = randomTensor(shape, 700 + index);
      return [name, { shape, data: data.map((x) => weightScale * x) }];
    }),
  );
}

export function batchOf(size: number): Tensor {
  const { data } = randomTensor([size, tokens, width], 900);
  return { shape: [size, tokens, width], data };
}

/**
 * A transformer block over `x` [B, tokens, width] with a linear head over its first token, and the
 * mean entropy of the head's softmax. Results: logits [B, classes] and, if asked for, loss [].
 * Without the loss the program runs with any batch size.
 */
export function smallNetwork(batch: number, { loss }: { loss: boolean }): Program {
  const b = new Builder();
  const x = b.input('x', [batch, tokens, width], { batch: true });
  const weight = (name: keyof typeof weightShapes) => b.constant(name, weightShapes[name]);
  const linear = (input: Value, name: keyof typeof weightShapes) =>
    b.matmul(input, weight(name), { transposeRight: true });

  const u = b.layerNorm(x, weight('norm1.scale'), weight('norm1.shift'), 1e-5);
  const depth = width / heads;
  const split = (name: keyof typeof weightShapes) =>
    b.transpose(b.reshape(linear(u, name), [0, tokens, heads, depth]), [0, 2, 1, 3]);
  const scores = b.scale(
    b.matmul(split('query'), split('key'), { transposeRight: true }),
    1 / Math.sqrt(depth),
  );
  const mixed = b.matmul(b.softmax(scores), split('value'));
  const joined = b.reshape(b.transpose(mixed, [0, 2, 1, 3]), [0, tokens, width]);
  const attended = b.add(x, linear(joined, 'out'));

  const v = b.layerNorm(attended, weight('norm2.scale'), weight('norm2.shift'), 1e-5);
  const inner = b.unary('quickGelu', b.add(linear(v, 'w1'), weight('b1')));
  const output = b.add(attended, b.add(linear(inner, 'w2'), weight('b2')));

  const first = b.reshape(b.slice(output, 1, 0, 1), [-1, width]);
  const logits = linear(first, 'head');
  if (!loss) return b.build('small network', { logits });
  const entropy = b.unary('neg', b.sum(b.mul(b.softmax(logits), b.logSoftmax(logits)), [1]));
  return b.build('small network', { logits, loss: b.mean(entropy, [0]) });
}
