/**
 * Eigenvectors of small dense symmetric matrices: Householder's tridiagonal form and QL steps with implicit shifts
 * (Golub & Van Loan, Matrix Computations, 8.3), on padded rows.
 */
import type { Matrix } from './matrix.ts';
import { lanesBefore, lanesFor, rowKernels, type RowKernels } from './row-kernels.ts';

const MAX_STEPS = 60;

/** Rows of A and then of the vectors, behind them two rows to work with. */
interface Work {
  readonly kernels: RowKernels;
  readonly size: number;
  readonly stride: number;
  readonly vectors: number;
  readonly spare: number;
  readonly diagonal: Float64Array;
  /** `beside[k]` stands between k and k + 1. */
  readonly beside: Float64Array;
  /** f of the reflections I − f v vᵀ, v of which is in row k of A right of the diagonal, zeros before it. */
  readonly factors: Float64Array;
}

interface SmallEigen {
  /** In no order. */
  readonly values: Float64Array;
  /** Row i belongs to value i. */
  readonly vectors: Matrix;
}

/** `undefined` where the steps do not converge, as where A is not finite. */
export function smallEigen({ rows: size, data }: Matrix): SmallEigen | undefined {
  const stride = lanesFor(size);
  const count = (2 * size + 2) * stride;
  const kernels = rowKernels(count);
  const { values } = kernels;
  values.fill(0, 0, count);
  const vectors = size * stride;
  for (let i = 0; i < size; i++) {
    values.set(data.subarray(i * size, (i + 1) * size), i * stride);
    values[vectors + i * (stride + 1)] = 1;
  }
  const work: Work = {
    kernels,
    size,
    stride,
    vectors,
    spare: 2 * size * stride,
    diagonal: new Float64Array(size),
    beside: new Float64Array(size),
    factors: new Float64Array(size),
  };
  tridiagonalise(work);
  if (!diagonalise(work)) return undefined;
  reflectBack(work);
  const found = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const row = vectors + i * stride;
    found.set(values.subarray(row, row + size), i * size);
  }
  return { values: work.diagonal, vectors: { rows: size, columns: size, data: found } };
}

function tridiagonalise({ kernels, size, stride, spare, diagonal, beside, factors }: Work): void {
  const { values: a, dot, take } = kernels;
  for (let k = 0; k < size; k++) {
    const row = k * stride;
    const begin = lanesBefore(k + 1);
    diagonal[k] = a[row + k]!;
    // Left of v there is nothing from here on.
    a.fill(0, row, row + k + 1);
    if (k + 1 === size) break;
    const first = a[row + k + 1]!;
    a[row + k + 1] = 0;
    const tail = dot(row + begin, row + stride, row + begin);
    beside[k] = first;
    if (tail === 0) continue;
    const norm = Math.sqrt(first * first + tail);
    const image = first > 0 ? -norm : norm;
    const lead = first - image;
    beside[k] = image;
    a[row + k + 1] = lead;
    const factor = 2 / (lead * lead + tail);
    factors[k] = factor;
    // The rest becomes H B H = B − v wᵀ − w vᵀ with w = f B v − (f² vᵀB v / 2) v.
    a.fill(0, spare, spare + stride);
    for (let i = k + 1; i < size; i++) {
      a[spare + i] = factor * dot(row + begin, row + stride, i * stride + begin);
    }
    const share = (factor * dot(row + begin, row + stride, spare + begin)) / 2;
    take(spare + begin, spare + stride, row + begin, share, row + begin, 0);
    for (let i = k + 1; i < size; i++) {
      const target = i * stride;
      take(target + begin, target + stride, spare + begin, a[row + i]!, row + begin, a[spare + i]!);
    }
  }
}

/** T becomes diagonal; what turns its axes turns the rows of the vectors as well. */
function diagonalise(work: Work): boolean {
  const { size, diagonal: d, beside: e } = work;
  let norm = 0;
  for (let i = 0; i < size; i++) norm = Math.max(norm, Math.abs(d[i]!) + Math.abs(e[i]!));
  if (!Number.isFinite(norm)) return false;
  const negligible = (Number.EPSILON / 4) * norm;
  for (let low = 0; low < size; low++) {
    for (let step = 0; ; step++) {
      let high = low;
      while (high + 1 < size && Math.abs(e[high]!) > negligible) high++;
      if (high === low) break;
      if (step === MAX_STEPS) return false;
      sweep(work, low, high);
    }
  }
  return true;
}

/** One implicit QL step with Wilkinson's shift on [low, high]. */
function sweep(work: Work, low: number, high: number): void {
  const { kernels, stride, vectors, diagonal: d, beside: e } = work;
  const ratio = (d[low + 1]! - d[low]!) / (2 * e[low]!);
  const root = Math.hypot(ratio, 1);
  let g = d[high]! - d[low]! + e[low]! / (ratio + (ratio >= 0 ? root : -root));
  let [s, c, p] = [1, 1, 0];
  for (let i = high - 1; i >= low; i--) {
    const f = s * e[i]!;
    const b = c * e[i]!;
    const r = Math.sqrt(f * f + g * g);
    e[i + 1] = r;
    if (r === 0) {
      // Split already: the next step begins anew.
      d[i + 1]! -= p;
      e[high] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1]! - p;
    const t = (d[i]! - g) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = g + p;
    g = c * t - b;
    const row = vectors + i * stride;
    kernels.rotate(row, row + stride, row + stride, c, s);
  }
  d[low]! -= p;
  e[low] = g;
  e[high] = 0;
}

/** Eigenvectors of T become those of A. */
function reflectBack({ kernels, size, stride, vectors, factors }: Work): void {
  const { dot, take } = kernels;
  for (let i = 0; i < size; i++) {
    const target = vectors + i * stride;
    for (let k = size - 2; k >= 0; k--) {
      const factor = factors[k]!;
      if (factor === 0) continue;
      const begin = lanesBefore(k + 1);
      const v = k * stride;
      const share = factor * dot(v + begin, v + stride, target + begin);
      take(target + begin, target + stride, v + begin, share, v + begin, 0);
    }
  }
}
