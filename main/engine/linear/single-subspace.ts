/** The directions of the largest singular values where they are most of all: by leaving out the smallest. */
import { identity, shifted, transposed, type Matrix } from './matrix.ts';
import { complement } from './orthonormal.ts';
import { leadingEigenvectors } from './single-leading.ts';
import { singlePolar } from './single-polar.ts';
import { toSingle, type Products } from './single.ts';
import { estimateSpectrum } from './spectrum.ts';

/** A maps the span of V onto that of U; U Vᵀ is the polar factor of A between them. */
export interface PairedBases {
  readonly u: Matrix;
  readonly v: Matrix;
  /** The sum of the singular values between them. */
  readonly sum: number;
}

/** To about six digits; `undefined` where A is near to lower rank or the cut lies between near values. */
export async function singleSubspace(
  products: Products,
  a: Matrix,
  count: number,
): Promise<PairedBases | undefined> {
  if (a.rows < a.columns) {
    const found = await singleSubspace(products, transposed(a), count);
    return found && { ...found, u: found.v, v: found.u };
  }
  const { multiply } = products;
  const factor = await singlePolar(products, a);
  if (factor === undefined) return undefined;
  // A = Q H: the eigenvalues of H are the singular values of A; those of c I − H rise as they fall.
  const h = await multiply(factor, a, { a: true });
  const size = a.columns;
  let sum = 0;
  for (let i = 0; i < size; i++) sum += h.data[i * (size + 1)]!;
  if (count === size) return { u: factor, v: identity(size), sum };
  const { radius } = estimateSpectrum(h);
  const turned = shifted({ ...h, data: h.data.map((value) => value / radius) }, -1, 1);
  const rest = await leadingEigenvectors(products, size - count, {
    single: toSingle(turned),
    image: (v) => multiply(turned, v),
    matrix: () => Promise.resolve({ ...turned, data: turned.data.slice() }),
  });
  if (rest === undefined) return undefined;
  for (const value of rest.values) sum -= radius * (1 - value);
  const v = await complement(multiply, rest.vectors, count);
  return { u: await multiply(factor, v), v, sum };
}
