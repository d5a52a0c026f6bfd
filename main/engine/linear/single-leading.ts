/** The largest singular values and their vectors, to about six digits, which is what weights in fp32 can hold. */
import { gramOf } from './gram.ts';
import { columnNorms, scaleColumns, type Matrix } from './matrix.ts';
import { straightened } from './orthonormal.ts';
import { extremeEigenvectors } from './single-extreme.ts';
import { normalizedByPower, type SingularValues } from './singular-values.ts';
import type { Products } from './single.ts';

/** The `count` largest singular values of A; `undefined` where they are too near to the others. */
export async function singleLeading(
  products: Products,
  a: Matrix,
  count: number,
): Promise<SingularValues | undefined> {
  const { multiply } = products;
  const { unit, factor } = normalizedByPower(a);
  const wide = a.rows < a.columns;
  const gram = await gramOf(multiply, unit, wide);
  const near = await extremeEigenvectors(products, gram, count, 'largest');
  if (near === undefined) return undefined;
  const image = await multiply(unit, near, { a: wide });
  const sigma = columnNorms(image);
  const far = await straightened(
    multiply,
    scaleColumns(
      image,
      sigma.map((value) => 1 / value),
    ),
  );
  const scaled = sigma.map((value) => value * factor);
  return wide ? { u: near, sigma: scaled, v: far } : { u: far, sigma: scaled, v: near };
}
