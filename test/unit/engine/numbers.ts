import { elementCount, type Tensor } from '../../../main/lib/tensor.ts';

/** Numbers that look random and are the same on every run (mulberry32), each in [0, 1). */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Where a case's numbers come from: no kink of relu or step lies within reach of a difference quotient. */
export type Range = 'any' | 'positive';

export function randomTensor(shape: readonly number[], seed: number, range: Range = 'any'): Tensor {
  const next = sequence(seed);
  const data = Float32Array.from({ length: elementCount(shape) }, () => {
    const magnitude = 0.5 + 1.5 * next();
    return range === 'any' && next() < 0.5 ? -magnitude : magnitude;
  });
  return { shape, data };
}

/** Largest finite magnitude. */
function scaleOf(data: Float32Array): number {
  return data.reduce(
    (largest, x) => (Number.isFinite(x) ? Math.max(largest, Math.abs(x)) : largest),
    0,
  );
}

/**
 * The worst deviation of `actual` from `expected`, as a share of the expected tensor's largest
 * magnitude; infinite where shapes differ or one side is NaN or infinite and the other is not the same.
 */
export function deviation(actual: Tensor, expected: Tensor): number {
  if (actual.shape.join() !== expected.shape.join()) return Infinity;
  if (actual.data.length !== expected.data.length) return Infinity;
  const scale = scaleOf(expected.data) + 1e-30;
  let worst = 0;
  for (const [index, x] of expected.data.entries()) {
    const y = actual.data[index] ?? Number.NaN;
    if (Object.is(x, y)) continue;
    const difference =
      Number.isFinite(x) && Number.isFinite(y) ? Math.abs(x - y) / scale : Infinity;
    worst = Math.max(worst, x === y ? 0 : difference);
  }
  return worst;
}

/** Deviation of every named tensor; a missing one deviates infinitely. */
export function deviations(
  actual: Readonly<Record<string, Tensor>>,
  expected: Readonly<Record<string, Tensor>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(expected).map(([name, tensor]) => {
      const other = actual[name];
      return [name, other === undefined ? Infinity : deviation(other, tensor)];
    }),
  );
}
