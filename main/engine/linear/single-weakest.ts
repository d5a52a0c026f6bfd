/** The directions of the smallest singular values, and the polar factor that pairs them. */
import { normalGramOf } from './gram.ts';
import { transposed, type Matrix } from './matrix.ts';
import { singlePolar } from './single-polar.ts';
import { smallestEigenvectors } from './single-smallest.ts';
import { toDouble, toSingle, type ChainStep, type Products } from './single.ts';

export interface WeakestDirections {
  /** Q = U Vᵀ of the whole matrix. */
  readonly factor: Matrix;
  /** Bases of the directions of the smallest singular values, paired by Q: U = Q V. */
  readonly u: Matrix;
  readonly v: Matrix;
  /** The sum of all other singular values. */
  readonly sum: number;
}

/** To about six digits; `undefined` where A is near to lower rank or the cut lies between near values. */
export async function singleWeakest(
  products: Products,
  a: Matrix,
  count: number,
): Promise<WeakestDirections | undefined> {
  if (a.rows < a.columns) {
    const found = await singleWeakest(products, transposed(a), count);
    return found && { ...found, factor: transposed(found.factor), u: found.v, v: found.u };
  }
  const { multiply } = products;
  const normal = await normalGramOf(multiply, a);
  const factor = await singlePolar(products, a, normal);
  if (factor === undefined) return undefined;
  const { gram } = normal;
  const v = await smallestEigenvectors(products, gram, count);
  if (v === undefined) return undefined;
  const u = await multiply(factor, v);
  // The sum of the singular values is the trace of QᵀA, that between U and V the trace of UᵀA V.
  return { factor, u, v, sum: dot(factor, a) - dot(u, await multiply(a, v)) };
}

/** A − Uc UcᵀA, Uc of all other left directions. */
export async function outsideOthers(
  { multiply, chain }: Products,
  a: Matrix,
  { factor: q, u, v }: WeakestDirections,
): Promise<Matrix> {
  // All left directions together are everything: what is not of the others is of the weakest.
  if (q.rows <= q.columns) return multiply(u, await multiply(u, a, { a: true }));
  return toDouble(await chain(projection, { a: toSingle(a), q: toSingle(q), v: toSingle(v) }));
}

/** Uc Ucᵀ = Q (I − V Vᵀ) Qᵀ. */
const projection: readonly ChainStep[] = [
  { result: 'along', a: 'q', b: 'a', transposeA: true },
  { result: 'weak', a: 'v', b: 'along', transposeA: true },
  { result: 'strong', a: 'v', b: 'weak', alpha: -1, plus: 'along' },
  { result: 'outside', a: 'q', b: 'strong', alpha: -1, plus: 'a' },
];

function dot(a: Matrix, b: Matrix): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += a.data[i]! * b.data[i]!;
  return sum;
}
