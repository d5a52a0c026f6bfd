/** Dense linear algebra as the spectral methods need it, whatever computes it. */

/** Row-major, fp64. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** A = U diag(σ) Vᵀ with min(rows, columns) columns in U and V; σ falls. */
export interface SingularValues {
  readonly u: Matrix;
  readonly sigma: Float64Array;
  readonly v: Matrix;
}

export interface LinearAlgebra {
  /** op(A) op(B), where op transposes what is asked to be. */
  multiply(
    a: Matrix,
    b: Matrix,
    transpose?: { readonly a?: boolean; readonly b?: boolean },
  ): Promise<Matrix>;
  svd(a: Matrix): Promise<SingularValues>;
  /** The orthogonal polar factor U Vᵀ: of all matrices with orthonormal rows or columns the nearest. */
  polar(a: Matrix): Promise<Matrix>;
}

const missing = (): never => {
  throw new Error('no linear algebra is installed');
};

export const linearAlgebra: LinearAlgebra = { multiply: missing, svd: missing, polar: missing };
