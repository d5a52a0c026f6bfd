/** How DARE, DELLA and Model Breadcrumbs thin out task vectors; with and without an election of signs. */
import { AppError } from '../../lib/errors.ts';
import type { ParameterTable, ParameterValues } from '../../lib/parameters.ts';
import { BLOCK, rowLength } from '../blocks.ts';
import type { Group, MergeContext, Pass } from '../method.ts';
import { selectionPasses, topSets, type Selected } from '../select-magnitudes.ts';
import { RowKernel } from '../kernels/row-kernel.ts';
import { matchL1Pass, rescaledBy, type L1Scales, type PlainThinning } from './match-l1.ts';
import { blockLength, type Sparsify } from './merge-task-vectors.ts';
import { RandomDrop } from './random-drop.ts';
import { dropKey, type Masking, type RandomMasking } from './vector-merge.ts';
import { keepBetween, Trimmer } from './trim.ts';
import { numbersOf } from './weights.ts';

/** What the passes of a thinning prepare. */
export type Prepared = L1Scales & Selected<'crumbs'>;

type Context = MergeContext<ParameterTable, Prepared>;
type Thin = (group: Group, parameters: ParameterValues, context: Context) => Sparsify;

export interface Thinning {
  readonly wholeRows: boolean;
  passes(parameters: ParameterValues): readonly Pass<Prepared>[];
  /** With the rescaling that was asked for. */
  readonly thin: Thin;
  /** The same as data, where it can be said so. */
  readonly masking?: MaskingOf;
}

type MaskingOf = (
  group: Group,
  parameters: ParameterValues,
  context: Context,
) => Masking | undefined;

function thinning(
  wholeRows: boolean,
  plain: Thin,
  {
    first = () => [],
    random,
    masking,
  }: {
    first?: Thinning['passes'];
    random?: PlainThinning<Prepared>['random'];
    masking?: MaskingOf;
  } = {},
): Thinning {
  return {
    wholeRows,
    ...(masking && { masking }),
    passes: (parameters) => [
      ...first(parameters),
      ...(parameters['rescale'] === 'l1'
        ? [matchL1Pass<Prepared>({ wholeRows, thin: plain, random })]
        : []),
    ],
    thin(group, parameters, context) {
      const sparsify = plain(group, parameters, context);
      if (parameters['rescale'] !== 'l1') return sparsify;
      return (values, expert, begin, end) => {
        sparsify(values, expert, begin, end);
        scale(values, rescaledBy(context.prepared, group, expert), end - begin);
      };
    },
  };
}

function scale(values: Float64Array, factor: number, count: number): void {
  for (let i = 0; i < count; i++) values[i]! *= factor;
}

function randomMasking({ settings, seed }: Context): RandomMasking {
  return { seed, probabilities: numbersOf(settings, 'density') };
}

/** DARE (Yu et al. 2024): every value is kept with the probability `density`. */
export const randomThinning = thinning(
  false,
  (group, parameters, { settings, seed }) => {
    const densities = numbersOf(settings, 'density');
    const random = new RandomDrop(group, seed, Math.min(BLOCK, group.base.length));
    return (values, expert, begin, end) => {
      const density = densities[expert]!;
      random.drop(values, density, expert, begin, end - begin);
      if (parameters['rescale'] === 'expected' && density > 0) {
        scale(values, 1 / density, end - begin);
      }
    };
  },
  {
    random: randomMasking,
    masking(group, { rescale }, context) {
      const random = randomMasking(context);
      const scales = random.probabilities.map((density, expert) => {
        if (rescale === 'l1') return rescaledBy(context.prepared, group, expert);
        return rescale === 'expected' && density > 0 ? 1 / density : 1;
      });
      return { random, ...(rescale === 'none' ? {} : { scales }) };
    },
  },
);

/**
 * DELLA (Deep et al. 2024): within a row the probability to be kept rises with the rank of the magnitude,
 * evenly from density − ε to density + ε. A row of one value is kept with the density itself.
 */
export const rankedThinning = thinning(true, (group, parameters, { settings, seed }) => {
  const row = rowLength(group);
  const kernel = new RowKernel(row);
  const keys = group.experts.map((_, expert) => dropKey(seed, group, expert));
  const densities = numbersOf(settings, 'density');
  const epsilons = numbersOf(settings, 'epsilon');
  const probabilities = densities.map((density, expert) => {
    const epsilon = epsilons[expert]!;
    checkWindow(density, epsilon);
    return Float64Array.from({ length: row }, (_, place) => {
      const rise = row === 1 ? 0.5 : (row - 1 - place) / (row - 1);
      return density - epsilon + 2 * epsilon * rise;
    });
  });
  const divide = parameters['rescale'] === 'expected';
  return (values, expert, begin, end) => {
    if (densities[expert] === 1) return;
    for (let at = begin; at < end; at += row) {
      const own = values.subarray(at - begin, at - begin + row);
      kernel.take(own);
      kernel.dropRanked(own, probabilities[expert]!, {
        key: keys[expert]!,
        index: group.offset + at,
        divide,
      });
    }
  };
});

/** Probabilities must be some: the authors only warn, mergekit refuses. */
function checkWindow(density: number, epsilon: number): void {
  if (density === 1 || (density - epsilon > 0 && density + epsilon < 1)) return;
  throw new AppError('recipe.invalid_parameter', {
    what: `with the density ${density} and ε ${epsilon} some changes would be kept with a probability outside 0 … 1`,
    where: 'method DELLA',
    hint: 'choose ε less than the density and less than 1 − density, or a density of 1 to keep everything',
  });
}

/** Model Breadcrumbs (Davari and Belilovsky 2023): the largest values are dropped, and the smallest. */
export const crumbThinning = thinning(
  true,
  (group, parameters, context) =>
    parameters['rank'] === 'row' ? rowCrumbs(group, context) : tensorCrumbs(group, context),
  { first: ({ rank }) => (rank === 'row' ? [] : crumbPasses) },
);

/** The authors' order: the top γ go, then the top `density` of the row are kept of what is left. */
function rowCrumbs(group: Group, { settings }: Context): Sparsify {
  const row = rowLength(group);
  const kernel = new RowKernel(row);
  const densities = numbersOf(settings, 'density');
  const gammas = numbersOf(settings, 'gamma');
  return (values, expert, begin, end) => {
    const first = Math.floor(gammas[expert]! * row);
    const last = first + Math.floor(densities[expert]! * row);
    for (let at = 0; at < end - begin; at += row) {
      const own = values.subarray(at, at + row);
      kernel.take(own);
      keepBetween(own, kernel.keys, kernel.top(first), kernel.top(last));
    }
  };
}

/**
 * mergekit's: exactly ⌊density n⌋ of the tensor are kept; where fewer would be left beside the top γ,
 * fewer of those go. Full density drops nothing.
 */
const crumbPasses = selectionPasses<'crumbs', Prepared>('crumbs', {
  scope: 'tensor',
  exact: true,
  sizes(list, count, { settings }) {
    const density = numbersOf(settings, 'density')[list]!;
    if (density === 1) return [0, count];
    const kept = Math.floor(density * count);
    const below = Math.max(
      0,
      count - kept - Math.floor(numbersOf(settings, 'gamma')[list]! * count),
    );
    return [count - below - kept, count - below];
  },
});

function tensorCrumbs(group: Group, { prepared }: Context): Sparsify {
  const tops = topSets(prepared.crumbs!, group);
  const trim = new Trimmer(blockLength(group, { wholeRows: true }));
  return (values, expert, begin, end) => {
    const [above, kept] = tops[expert]!;
    trim.keepTop(values, kept!, group.offset + begin, end - begin);
    trim.dropTop(values, above!, group.offset + begin, end - begin);
  };
}
