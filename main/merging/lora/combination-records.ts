/** The ways to combine adapters, as data: forms, flags and help are made of this table. */
import {
  resolveParameters,
  type GivenParameters,
  type ParameterPlace,
  type ParameterTable,
} from '../../lib/parameters.ts';
import { combinations, type CombinationId, type CombineOptions } from './combine.ts';
import { papers, type AdapterRecord } from './record.ts';

/** One for each adapter. */
export const weightParameter = {
  kind: 'number',
  title: 'Weight w',
  default: 1,
  range: { min: -1e6, max: 1e6 },
  help: 'How much of the change of an adapter is taken; a negative weight subtracts it.',
} as const;

const known = {
  density: {
    kind: 'number',
    title: 'Density',
    default: 1,
    range: { min: 0.001, max: 1 },
    help: 'The share of the entries to keep: of the largest, or with dare at random. 1 keeps all; 0.2 to 0.5 are usual.',
  },
  majority: {
    kind: 'choice',
    title: 'Sign by',
    default: 'total',
    range: ['total', 'frequency'],
    help: 'Whose sign wins: that of the sum of the values, or that which most adapters have.',
  },
  rank: {
    kind: 'integer',
    title: 'Rank r',
    default: 0,
    range: { min: 0, max: 65_536 },
    help: 'Rank of the result; what lies beyond is cut away. 0: the largest rank of the adapters, or with knots as much as nothing is lost with.',
  },
  svd_scaling: {
    kind: 'choice',
    title: 'Scaling',
    default: 'once',
    range: ['once', 'twice'],
    help: 'Whether alpha / r enters once, or twice as in older versions of PEFT. It makes a difference where alpha is not r.',
  },
  seed: {
    kind: 'integer',
    title: 'Seed',
    default: 0,
    range: { min: 0, max: 2 ** 31 - 1 },
    help: 'Decides what is dropped at random; the same seed gives the same bytes.',
  },
} as const satisfies ParameterTable;

type Key = keyof typeof known;

function tableOf(keys: readonly Key[]): ParameterTable {
  return Object.fromEntries(keys.map((key) => [key, known[key]]));
}

const families = {
  exact: 'Nothing lost',
  factors: 'On the factors A and B: equal ranks, quick, with products of two adapters',
  changes: 'On the changes B A, cut to a rank',
} as const;

interface Row {
  readonly title: string;
  readonly family: keyof typeof families;
  readonly summary: string;
  readonly formula: string;
  readonly paper: keyof typeof papers;
  readonly parameters: readonly Key[];
}

const cutting = ['rank', 'svd_scaling'] as const;
const onFactors = 'A = ⊕ ±√|wk sk| Ak, B = ⊕ √|wk sk| Bk';
const onChanges = 'B A = cut(⊕ wk sk Bk Ak, r)';

const table: Readonly<Record<CombinationId, Row>> = {
  cat: {
    title: 'Concatenate',
    family: 'exact',
    summary:
      'Puts the factors of all adapters side by side, so that the change is exactly the weighted sum of theirs. The ranks add up.',
    formula: 'B A = Σ wk sk Bk Ak, r = Σ rk',
    paper: 'lora',
    parameters: [],
  },
  linear: {
    title: 'Linear',
    family: 'factors',
    summary:
      'Adds up the factors, each with the root of its weight. The product then also holds terms of two different adapters.',
    formula: 'A = Σ ±√|wk sk| Ak, B = Σ √|wk sk| Bk',
    paper: 'lora',
    parameters: [],
  },
  soup: {
    title: 'AdapterSoup',
    family: 'factors',
    summary:
      'Averages the values of the adapters themselves, as model soups do with models. Best for adapters that began alike.',
    formula: 'A = Σ wk √sk Ak / Σ wk, B = Σ wk √sk Bk / Σ wk',
    paper: 'soup',
    parameters: [],
  },
  ties: {
    title: 'TIES',
    family: 'factors',
    summary:
      'Keeps the largest entries of every factor, elects a sign at each position and averages what agrees with it.',
    formula: `${onFactors}, ⊕ over largest entries of the elected sign`,
    paper: 'ties',
    parameters: ['density', 'majority'],
  },
  dare_linear: {
    title: 'DARE',
    family: 'factors',
    summary:
      'Drops entries of every factor at random, scales up the others and adds them. The seed decides which are dropped.',
    formula: `${onFactors}, ⊕ sums dropped and rescaled entries`,
    paper: 'dare',
    parameters: ['density', 'seed'],
  },
  dare_ties: {
    title: 'DARE with sign election',
    family: 'factors',
    summary:
      'Drops entries at random and scales up the others, then elects a sign at each position and averages what agrees with it.',
    formula: `${onFactors}, ⊕ over random entries of the elected sign`,
    paper: 'dare',
    parameters: ['density', 'majority', 'seed'],
  },
  magnitude_prune: {
    title: 'Magnitude pruning',
    family: 'factors',
    summary: 'Keeps the largest entries of every factor and adds them up. No sign is elected.',
    formula: `${onFactors}, ⊕ sums the largest entries`,
    paper: 'prune',
    parameters: ['density'],
  },
  svd: {
    title: 'Sum, cut by SVD',
    family: 'changes',
    summary:
      'The weighted sum of the changes, brought to a rank by its largest singular values. The best adapter of that rank for the sum.',
    formula: 'B A = cut(Σ wk sk Bk Ak, r)',
    paper: 'lora',
    parameters: cutting,
  },
  ties_svd: {
    title: 'TIES, cut by SVD',
    family: 'changes',
    summary:
      'TIES on the changes of the weights themselves; the result is cut to a rank. Adapters of any ranks will do.',
    formula: `${onChanges}, ⊕ over largest entries of the elected sign`,
    paper: 'ties',
    parameters: ['density', 'majority', ...cutting],
  },
  dare_linear_svd: {
    title: 'DARE, cut by SVD',
    family: 'changes',
    summary:
      'DARE on the changes of the weights themselves; the result is cut to a rank. Adapters of any ranks will do.',
    formula: `${onChanges}, ⊕ sums dropped and rescaled entries`,
    paper: 'dare',
    parameters: ['density', 'seed', ...cutting],
  },
  dare_ties_svd: {
    title: 'DARE with sign election, cut by SVD',
    family: 'changes',
    summary:
      'DARE with sign election on the changes of the weights themselves; the result is cut to a rank.',
    formula: `${onChanges}, ⊕ over random entries of the elected sign`,
    paper: 'dare',
    parameters: ['density', 'majority', 'seed', ...cutting],
  },
  magnitude_prune_svd: {
    title: 'Magnitude pruning, cut by SVD',
    family: 'changes',
    summary:
      'Keeps the largest entries of every change and adds them up; the sum is cut to a rank.',
    formula: `${onChanges}, ⊕ sums the largest entries`,
    paper: 'prune',
    parameters: ['density', ...cutting],
  },
  knots: {
    title: 'KnOTS',
    family: 'changes',
    summary:
      'Brings the changes into one common basis of output directions and merges them there with sign election. Adapters of any ranks will do.',
    formula: '[ΔW1 … ΔWK] = U Σ [V1ᵀ … VKᵀ], B A = U Σ ties(V1 … VK)ᵀ',
    paper: 'knots',
    parameters: ['density', 'rank'],
  },
};

/** Under their headings, in the order of the headings. */
export const combinationRecords: readonly (AdapterRecord & { readonly id: CombinationId })[] =
  Object.keys(families).flatMap((family) =>
    combinations
      .filter((id) => table[id].family === family)
      .map((id) => ({
        ...table[id],
        id,
        family: families[table[id].family],
        paper: papers[table[id].paper],
        parameters: tableOf(table[id].parameters),
      })),
  );

/** What a combination is told, with the defaults for what it does not take: they are kept in the result. */
export function combinationSettings(
  kind: CombinationId,
  given: GivenParameters,
  where: ParameterPlace,
): { readonly options: Omit<CombineOptions, 'key'>; readonly seed: number } {
  const parameters = tableOf(table[kind].parameters);
  const values = resolveParameters({ id: kind, parameters }, given, where);
  const of = (key: Key) => values[key] ?? known[key].default;
  const rank = Number(of('rank'));
  const options = {
    rank: rank === 0 ? undefined : rank,
    density: Number(of('density')),
    majority: of('majority') as CombineOptions['majority'],
    svdScaling: of('svd_scaling') as CombineOptions['svdScaling'],
  };
  return { options, seed: Number(of('seed')) };
}
