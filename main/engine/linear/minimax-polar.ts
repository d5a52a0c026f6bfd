/**
 * Polynomials that carry singular values to 1, for polar factors from products alone: in every step the
 * odd polynomial of degree 5 that is nearest to 1 on what the steps before have left (Amsel, Persson,
 * Musco & Gower 2025, theorem 3.1 and section 3.2).
 */
import { solve, Matrix as SmallMatrix } from 'ml-matrix';
import type { ChainStep } from './single.ts';

/** p(x) = a x + b x³ + c x⁵. */
interface OddPolynomial {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** X ← p(X), p(X) = a X + X (b G + c G²) with G = XᵀX, until all values in [least, 1] are within `error` of 1. */
export function polarSteps(least: number, error: number): readonly ChainStep[] {
  const steps: ChainStep[] = [];
  let [low, high] = [least, 1];
  for (let i = 0; high - 1 > error || i === 0; i++) {
    const { a, b, c } = nearestToOne(low, high);
    low = a * low + b * low ** 3 + c * low ** 5;
    high = 2 - low;
    const [x, gram, inner] = [i === 0 ? 'x' : `x${String(i)}`, `g${String(i)}`, `h${String(i)}`];
    steps.push(
      { result: gram, a: x, b: x, transposeA: true },
      { result: inner, a: gram, b: gram, alpha: c, plus: gram, beta: b },
      { result: `x${String(i + 1)}`, a: x, b: inner, plus: x, beta: a },
    );
  }
  return steps;
}

/** By the exchange algorithm of Remez: the error has its size at low, at two points inside, and at high. */
function nearestToOne(low: number, high: number): OddPolynomial {
  let inside: readonly [number, number] = [low + (high - low) / 4, low + (3 * (high - low)) / 4];
  let found: OddPolynomial = { a: 15 / 8, b: -10 / 8, c: 3 / 8 };
  if (high - low < 1e-5) return found;
  for (let round = 0; round < 60; round++) {
    const points = [low, ...inside, high];
    const terms = points.map((x, i) => [x, x ** 3, x ** 5, i % 2 === 0 ? 1 : -1]);
    const [a = 0, b = 0, c = 0] = solve(
      new SmallMatrix(terms),
      SmallMatrix.columnVector([1, 1, 1, 1]),
    ).to1DArray();
    found = { a, b, c };
    // p'(x) = a + 3 b x² + 5 c x⁴ is zero there.
    const root = Math.sqrt(Math.max(9 * b ** 2 - 20 * a * c, 0));
    const next = [(-3 * b - root) / (10 * c), (-3 * b + root) / (10 * c)].map(Math.sqrt) as [
      number,
      number,
    ];
    const moved = Math.abs(next[0] - inside[0]) + Math.abs(next[1] - inside[1]);
    inside = next;
    if (moved < 1e-12) break;
  }
  return found;
}
