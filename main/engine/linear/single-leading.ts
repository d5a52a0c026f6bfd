/** The largest singular values and their vectors, to about six digits, which is what weights in fp32 can hold. */
import { normalGramOf } from './gram.ts';
import { columnNorms, scaleColumns, type Matrix } from './matrix.ts';
import { straightened } from './orthonormal.ts';
import { largestEigenvectors } from './single-largest.ts';
import type { SingularValues } from './singular-values.ts';
import type { Products } from './single.ts';

/** The `count` largest singular values of A; `undefined` where they are too near to the others. */
export async function singleLeading(
  products: Products,
  a: Matrix,
  count: number,
): Promise<SingularValues | undefined> {
  const { multiply } = products;
  // Of a square matrix too: the Gram matrix of rows needs no transposition.
  const wide = a.rows <= a.columns;
  const { gram } = await normalGramOf(multiply, a, wide);
  const near = await largestEigenvectors(products, gram, count);
  if (near === undefined) return undefined;
  const image = await multiply(a, near, { a: wide });
  const sigma = columnNorms(image);
  const far = await straightened(
    multiply,
    scaleColumns(
      image,
      sigma.map((value) => 1 / value),
    ),
  );
  return wide ? { u: near, sigma, v: far } : { u: far, sigma, v: near };
}
