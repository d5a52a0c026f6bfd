/** A rough picture of the spectrum of a symmetric matrix, by the Lanczos process. */
import { zeroMatrix, type Matrix } from './matrix.ts';
import { randomMatrix } from './orthonormal.ts';
import type { RunChain, SingleMatrix } from './single.ts';
import { smallEigen } from './small-eigen.ts';

export interface Spectrum {
  /** Rising: Ritz values, each standing for the eigenvalues near it. */
  readonly nodes: readonly number[];
  /** The share of the eigenvalues for which each node stands. */
  readonly shares: readonly number[];
  /** No eigenvalue is much larger in magnitude. */
  readonly radius: number;
}

/** `steps` products of the matrix and a vector, with full reorthogonalisation. */
export function estimateSpectrum(a: Matrix, steps = 24): Spectrum {
  const process = lanczos(a.rows, steps);
  let state = process.next();
  while (state.done !== true) state = process.next(applied(a, state.value));
  return state.value;
}

/**
 * The same of a symmetric matrix in fp32, with its products by the engine. Of n eigenvalues one start counts a share p
 * with a standard deviation of √(2 p (1 − p) / n) (that of the squares of normal numbers), however many the steps; the
 * mean over several `starts` lowers it by their square root, and they share the products.
 */
export async function estimateSingleSpectrum(
  chain: RunChain,
  a: SingleMatrix,
  steps: number,
  starts = 1,
): Promise<Spectrum> {
  const size = a.rows;
  const found: Spectrum[] = [];
  let asked = Array.from({ length: starts }, (_, start) => {
    const process = lanczos(size, steps, start);
    return { process, state: process.next() };
  });
  for (;;) {
    for (const { state } of asked) if (state.done === true) found.push(state.value);
    asked = asked.filter(({ state }) => state.done !== true);
    if (asked.length === 0) return meanOf(found);
    // As rows: of one the engine has a kernel of its own.
    const x = { rows: asked.length, columns: size, data: new Float32Array(asked.length * size) };
    for (const [i, { state }] of asked.entries()) {
      x.data.set(state.value as Float64Array, i * size);
    }
    const { data } = await chain(rowTimes, { x, a });
    asked = asked.map(({ process }, i) => {
      const image = new Float64Array(data.subarray(i * size, (i + 1) * size));
      return { process, state: process.next(image) };
    });
  }
}

/** The nodes of all, in order. */
function meanOf(spectra: readonly Spectrum[]): Spectrum {
  const [first] = spectra;
  if (first !== undefined && spectra.length === 1) return first;
  const all = spectra
    .flatMap(({ nodes, shares }) =>
      nodes.map((node, i) => ({ node, share: shares[i]! / spectra.length })),
    )
    .sort((one, other) => one.node - other.node);
  return {
    nodes: all.map(({ node }) => node),
    shares: all.map(({ share }) => share),
    radius: Math.max(...spectra.map(({ radius }) => radius)),
  };
}

const rowTimes = [{ result: 'image', a: 'x', b: 'a' }];

/** Asks for the images of vectors, and gives what it found. */
function* lanczos(
  size: number,
  steps: number,
  start = 0,
): Generator<Float64Array, Spectrum, Float64Array> {
  const basis: Float64Array[] = [];
  const diagonal: number[] = [];
  const beside: number[] = [];
  let next = normalized(randomMatrix(size, 1, 'spectrum', ...(start === 0 ? [] : [start])).data);
  while (basis.length < Math.min(steps, size)) {
    const vector = next.vector;
    basis.push(vector);
    const image = yield vector;
    diagonal.push(dot(image, vector));
    for (let pass = 0; pass < 2; pass++) {
      for (const earlier of basis) subtract(image, dot(image, earlier), earlier);
    }
    next = normalized(image);
    beside.push(next.norm);
    if (next.norm <= Number.EPSILON * Math.abs(diagonal[0]!)) break;
  }
  const count = basis.length;
  const small = zeroMatrix(count, count);
  for (let i = 0; i < count; i++) {
    const place = i * (count + 1);
    small.data[place] = diagonal[i]!;
    if (i + 1 < count) small.data[place + 1] = small.data[place + count] = beside[i]!;
  }
  const { values, vectors } = smallEigen(small) ?? { values: new Float64Array(), vectors: small };
  const order = [...values.keys()].sort((i, j) => values[i]! - values[j]!);
  const nodes = order.map((i) => values[i]!);
  const shares = order.map((i) => vectors.data[i * count]! ** 2);
  const radius = Math.max(...values.map(Math.abs)) + (beside[count - 1] ?? 0) / 4;
  return { nodes, shares, radius };
}

/** A value with about the given share of the eigenvalues below it, between two nodes. */
export function quantile({ nodes, shares }: Spectrum, share: number): number {
  let below = 0;
  let best = { miss: Number.POSITIVE_INFINITY, value: nodes[0] ?? 0 };
  for (let node = 0; node + 1 < nodes.length; node++) {
    below += shares[node]!;
    const miss = Math.abs(below - share);
    if (miss < best.miss) best = { miss, value: (nodes[node]! + nodes[node + 1]!) / 2 };
  }
  return best.value;
}

/** About the value with the given share of the eigenvalues below it, between nodes in proportion. */
export function estimatedQuantile({ nodes, shares }: Spectrum, share: number): number {
  let [below, earlier, value] = [0, 0, nodes[0] ?? 0];
  for (const [i, node] of nodes.entries()) {
    const middle = below + shares[i]! / 2;
    if (middle >= share) {
      return i === 0 ? node : value + ((node - value) * (share - earlier)) / (middle - earlier);
    }
    [below, earlier, value] = [below + shares[i]!, middle, node];
  }
  return value;
}

function applied({ rows, columns, data }: Matrix, vector: Float64Array): Float64Array {
  const image = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    image[i] = dot(data.subarray(i * columns, (i + 1) * columns), vector);
  }
  return image;
}

function dot(a: Float64Array, b: Float64Array): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  let i = 0;
  // Four sums: additions need not wait for one another.
  for (; i + 3 < a.length; i += 4) {
    first += a[i]! * b[i]!;
    second += a[i + 1]! * b[i + 1]!;
    third += a[i + 2]! * b[i + 2]!;
    fourth += a[i + 3]! * b[i + 3]!;
  }
  for (; i < a.length; i++) first += a[i]! * b[i]!;
  return first + second + (third + fourth);
}

function subtract(from: Float64Array, factor: number, vector: Float64Array): void {
  for (let i = 0; i < from.length; i++) from[i]! -= factor * vector[i]!;
}

function normalized(vector: Float64Array): { norm: number; vector: Float64Array } {
  const norm = Math.sqrt(dot(vector, vector));
  // A loop: map calls back for each value.
  const unit = vector.slice();
  if (norm > 0) for (let i = 0; i < unit.length; i++) unit[i]! /= norm;
  return { norm, vector: unit };
}
