/** Whether adapters can be combined, and what comes out: from their headers alone. */
import type { Adapter, AdapterPair } from '../../checkpoints/adapter.ts';
import { AppError } from '../../lib/errors.ts';
import { needsEqualRanks, type CombinationId } from './combine.ts';

export interface CombinedWeight {
  readonly target: string;
  /** At most. */
  readonly rank: number;
  /** Of the factors of this rank. */
  readonly valueCount: number;
  /** How many of the adapters change it. */
  readonly adapterCount: number;
}

export interface AdapterCheck {
  readonly kind: CombinationId;
  readonly adapters: readonly Adapter[];
  /** One for each adapter. */
  readonly weights: readonly number[];
  readonly rank: number | undefined;
}

/** The weights that would be changed; throws `adapter.mismatch` and `recipe.invalid_parameter`. */
export function checkAdapters(check: AdapterCheck): readonly CombinedWeight[] {
  const { kind, adapters, weights } = check;
  const fanInFanOut = adapters[0]?.config.fanInFanOut;
  const odd = adapters.find(({ config }) => config.fanInFanOut !== fanInFanOut);
  if (odd !== undefined) throw mismatch('it stores weights as [in, out], others do not', odd, '');
  if (kind === 'soup' && weights.reduce((sum, weight) => sum + weight, 0) === 0) {
    throw new AppError('recipe.invalid_parameter', {
      what: 'the weights add up to 0, and an average divides by their sum',
      where: 'weights',
      hint: 'give weights of another sum, or use linear',
    });
  }
  checkReplacements(adapters);
  const targets = [...new Set(adapters.flatMap(({ pairs }) => [...pairs.keys()]))];
  return targets.map((target) => checkTarget(target, check));
}

function checkTarget(target: string, { kind, adapters, rank }: AdapterCheck): CombinedWeight {
  const having = adapters.flatMap((adapter) => {
    const pair = adapter.pairs.get(target);
    return pair === undefined ? [] : [{ adapter, pair }];
  });
  const [first, ...others] = having as [(typeof having)[number], ...typeof having];
  const outer = outerShape(first.adapter, first.pair);
  for (const { adapter, pair } of others) {
    if (outerShape(adapter, pair).join() !== outer.join()) {
      throw mismatch('its factors are of another shape than those of the others', adapter, target);
    }
    if (needsEqualRanks(kind) && pair.rank !== first.pair.rank) {
      const what = `its rank is ${pair.rank}, that of another adapter ${first.pair.rank}`;
      throw mismatch(what, adapter, target, 'use cat, svd or knots, which take any ranks');
    }
  }
  const [, rows = 0, ...inner] = outer;
  const columns = inner.reduce((product: number, length) => product * Number(length), 1);
  const most = Math.min(Number(rows), columns);
  const ranks = having.map(({ pair }) => pair.rank);
  const sum = ranks.reduce((a, b) => a + b, 0);
  const largest = Math.max(...ranks);
  const result = resultRank(kind, { sum, largest, most, wanted: rank });
  return {
    target,
    rank: result,
    valueCount: result * (Number(rows) + columns),
    adapterCount: having.length,
  };
}

function resultRank(
  kind: CombinationId,
  ranks: { sum: number; largest: number; most: number; wanted: number | undefined },
): number {
  const { sum, largest, most, wanted } = ranks;
  if (kind === 'cat') return sum;
  if (needsEqualRanks(kind)) return largest;
  if (kind === 'knots') return Math.min(sum, most, wanted ?? Infinity);
  return Math.min(wanted ?? largest, most);
}

/** The kind of weight, its rows, and the rest of its shape: [kind, out, in, …]. */
function outerShape({ weights }: Adapter, { kind, a, b }: AdapterPair): (string | number)[] {
  const of = (name: string) => weights.tensors.get(name)?.shape ?? [];
  return [kind, of(b)[0] ?? 0, ...of(a).slice(1)];
}

/** Two adapters that replace the same tensor cannot both have it. */
function checkReplacements(adapters: readonly Adapter[]): void {
  const taken = new Set<string>();
  for (const adapter of adapters) {
    for (const target of adapter.replacements.keys()) {
      if (taken.has(target)) {
        const hint = 'merge the complete models instead (base and adapter each), or leave one out';
        throw mismatch('another adapter replaces this tensor too', adapter, target, hint);
      }
      taken.add(target);
    }
  }
}

function mismatch(
  what: string,
  adapter: Adapter,
  target: string,
  hint = 'choose adapters of the same base model',
): AppError {
  const place = target === '' ? adapter.path : `tensor "${target}" of ${adapter.path}`;
  return new AppError('adapter.mismatch', { what, where: place, hint });
}
