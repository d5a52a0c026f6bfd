/**
 * One adapter from several, weight by weight: the combination types of PEFT's add_weighted_adapter,
 * KnOTS, and the plain average of AdapterSoup. ΔWₖ = sₖ Bₖ Aₖ; what comes out has the scaling 1.
 *
 * `linear`, `ties`, `dare_linear`, `dare_ties` and `magnitude_prune` act on the factors, so their products
 * hold terms Bᵢ Aⱼ of two adapters; `cat` is exact; those ending in `_svd` act on ΔW and cut its rank.
 */
import {
  besides,
  columnRange,
  scaleColumns,
  setBlock,
  transposed,
  zeroMatrix,
  type Matrix,
} from '../../engine/linear/matrix.ts';
import type { SingularValues } from '../../engine/linear/singular-values.ts';
import { mergeAligned } from '../aligned-blocks.ts';
import type { LinearAlgebra } from '../linear-algebra.ts';
import { combineTensors, rules, type RuleId, type RuleOptions } from './sparsify.ts';

/** A is r × in, B is out × r. */
export interface Factors {
  readonly a: Matrix;
  readonly b: Matrix;
}

/** What one adapter has for a weight, and how much it shall count. */
export interface Contribution extends Factors {
  readonly scaling: number;
  readonly weight: number;
}

export interface CombineOptions extends RuleOptions {
  /**
   * Rank where the change is cut: by default the largest of the adapters for `svd` and `…_svd`, for `knots` their sum,
   * which loses nothing.
   */
  readonly rank?: number | undefined;
  /**
   * How often the scaling enters ΔW in `svd` and `…_svd`: once, or twice as PEFT did until it was fixed
   * there. It makes a difference wherever alpha is not r.
   */
  readonly svdScaling: 'once' | 'twice';
}

const onFactors = Object.keys(rules) as RuleId[];

/** All ways to combine adapters, in the order of help. */
export const combinations = [
  'linear',
  'cat',
  'svd',
  'ties',
  'ties_svd',
  'dare_linear',
  'dare_linear_svd',
  'dare_ties',
  'dare_ties_svd',
  'magnitude_prune',
  'magnitude_prune_svd',
  'knots',
  'soup',
] as const;

export type CombinationId = (typeof combinations)[number];

/** Whether the factors are combined entry by entry, which needs equal ranks. */
export function needsEqualRanks(kind: CombinationId): boolean {
  return kind === 'soup' || (onFactors as readonly string[]).includes(kind);
}

/** The factors of the combined change, of scaling 1. */
export async function combineFactors(
  kind: CombinationId,
  parts: readonly Contribution[],
  options: CombineOptions,
  linear: LinearAlgebra,
): Promise<Factors> {
  const rank = options.rank ?? Math.max(...parts.map(({ a }) => a.rows));
  if (kind === 'cat') return concatenated(parts);
  if (kind === 'soup') return average(parts);
  if (kind === 'knots') return aligned(parts, options, linear);
  const rule = kind === 'svd' ? 'linear' : (kind.replace(/_svd$/, '') as RuleId);
  if (kind === rule) return combinedFactors(rule, parts, options);
  const weights = parts.map(({ weight, scaling }) =>
    options.svdScaling === 'twice' ? weight * scaling : weight,
  );
  if (kind === 'svd') {
    const weighted = parts.map((part, k) => ({ ...part, weight: weights[k]! }));
    return cut(await productSvd(concatenated(weighted), linear), rank);
  }
  const changes = await Promise.all(parts.map((part) => changeOf(part, linear)));
  const change = combineTensors(rule, changes, weights, options);
  const count = Math.min(rank, change.rows, change.columns);
  return cut(await linear.leading(change, count), rank);
}

/** q = w s goes into both factors as √|q|, its sign into A. */
function combinedFactors(
  rule: RuleId,
  parts: readonly Contribution[],
  options: RuleOptions,
): Factors {
  const shares = parts.map(({ weight, scaling }) => weight * scaling);
  const roots = shares.map((share) => Math.sqrt(Math.abs(share)));
  const signed = roots.map((root, k) => (shares[k]! >= 0 ? root : -root));
  const key = (factor: string) => ({ ...options, key: [...options.key, factor] });
  return {
    a: combineTensors(
      rule,
      parts.map(({ a }) => a),
      signed,
      key('A'),
    ),
    b: combineTensors(
      rule,
      parts.map(({ b }) => b),
      roots,
      key('B'),
    ),
  };
}

/** [q₁A₁; q₂A₂; …] and [B₁ B₂ …]: exactly Σ qₖ Bₖ Aₖ. */
function concatenated(parts: readonly Contribution[]): Factors {
  const rows = parts.reduce((sum, { a }) => sum + a.rows, 0);
  const a = zeroMatrix(rows, parts[0]?.a.columns ?? 0);
  let top = 0;
  for (const { a: own, weight, scaling } of parts) {
    const data = own.data.map((value) => value * weight * scaling);
    setBlock(a, { ...own, data }, top, 0);
    top += own.rows;
  }
  return { a, b: besides(parts.map(({ b }) => b)) };
}

/** Σ wₖ √sₖ Aₖ / Σ wₖ, and B likewise: with equal scalings the average of the adapters' own values. */
function average(parts: readonly Contribution[]): Factors {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const weights = parts.map(({ weight, scaling }) => (weight * Math.sqrt(scaling)) / total);
  const plain: RuleOptions = { density: 1, majority: 'total', key: [] };
  return {
    a: combineTensors(
      'linear',
      parts.map(({ a }) => a),
      weights,
      plain,
    ),
    b: combineTensors(
      'linear',
      parts.map(({ b }) => b),
      weights,
      plain,
    ),
  };
}

/**
 * KnOTS: [ΔW₁ … ΔWK] = U Σ [V₁ᵀ … VKᵀ], merged on the V. All lies in the span of the B, so the
 * decomposition is one of Σ rₖ × K·in.
 */
async function aligned(
  parts: readonly Contribution[],
  options: CombineOptions,
  linear: LinearAlgebra,
): Promise<Factors> {
  const outer = await linear.svd(besides(parts.map(({ b }) => b)));
  const inner: Matrix[] = [];
  for (const { a, b, scaling } of parts) {
    const data = b.data.map((value) => value * scaling);
    const inBasis = await linear.multiply(outer.u, { ...b, data }, { a: true });
    inner.push(await linear.multiply(inBasis, a));
  }
  const { u, sigma, v } = await linear.svd(besides(inner));
  const kept = Math.max(1, sigma.filter((value) => value > (sigma[0] ?? 0) * 1e-4).length);
  const columns = parts[0]?.a.columns ?? 0;
  const blocks = parts.map((_, k) => ({
    rows: columns,
    columns: kept,
    data: columnRange(v, 0, kept).data.slice(k * columns * kept, (k + 1) * columns * kept),
  }));
  const weights = parts.map(({ weight }) => weight);
  const merged = mergeAligned(blocks, weights, options.density);
  const left = scaleColumns(columnRange(u, 0, kept), sigma);
  const change = { b: await linear.multiply(outer.u, left), a: transposed(merged) };
  return options.rank === undefined ? change : cut(await productSvd(change, linear), options.rank);
}

async function changeOf({ a, b, scaling }: Contribution, linear: LinearAlgebra): Promise<Matrix> {
  const change = await linear.multiply(b, a);
  for (let i = 0; i < change.data.length; i++) change.data[i]! *= scaling;
  return change;
}

/** Singular values of B A from those of the factors, without the product. */
async function productSvd({ a, b }: Factors, linear: LinearAlgebra): Promise<SingularValues> {
  const left = await linear.svd(b);
  const right = await linear.svd(a);
  const core = await linear.multiply(left.v, right.u, { a: true });
  for (let i = 0; i < core.rows; i++) {
    for (let j = 0; j < core.columns; j++) {
      core.data[i * core.columns + j]! *= left.sigma[i]! * right.sigma[j]!;
    }
  }
  const { u, sigma, v } = await linear.svd(core);
  return {
    u: await linear.multiply(left.u, u),
    sigma,
    v: await linear.multiply(right.v, v),
  };
}

/** B = U Σ, A = Vᵀ of the largest `rank` singular values. */
function cut({ u, sigma, v }: SingularValues, rank: number): Factors {
  const count = Math.min(rank, sigma.length);
  return {
    b: scaleColumns(columnRange(u, 0, count), sigma),
    a: transposed(columnRange(v, 0, count)),
  };
}
