/**
 * What mergekit's methods (0.1) expect beside what our records of the same id say. Its rules, where they
 * are others than our defaults, are the `mergekit` variant of the record.
 */
import type { ParameterSettings, PlainValue } from './values.ts';

/** What becomes of a parameter that our record does not have under this name. */
export type ParameterRule =
  /** A parameter we do not have changes nothing here, whatever its value or for these values only. */
  | { readonly ignored: string; readonly values?: readonly PlainValue[] }
  /** Ours is called otherwise, or has other values; given by the text of mergekit's. */
  | { readonly name: string; readonly values: Readonly<Record<string, PlainValue>> };

interface MergekitMethod {
  /** Parameters it has no default for. */
  readonly required?: readonly string[];
  readonly parameters?: Readonly<Record<string, ParameterRule>>;
  /** Several parameters of mergekit that are one here. */
  readonly join?: (given: ParameterSettings) => ParameterSettings;
  /** The base is no input, unless it is listed among the models. */
  readonly baseUnlisted?: boolean;
}

const int8Mask: ParameterRule = {
  ignored: 'it makes the masks smaller in memory; the result is the same without it',
};
const everyValue: ParameterRule = {
  ignored: 'this method keeps every value, in mergekit too',
};
const noRescaling: ParameterRule = {
  ignored: 'values that are kept are not scaled anyway',
  values: [false],
};
const rescaling: ParameterRule = { name: 'rescale', values: { true: 'l1', false: 'none' } };
/** The methods that elect signs have one parameter for how the elected values are added. */
const disjointMean: ParameterRule = {
  name: 'merge',
  values: { true: 'weighted_mean', false: 'sum' },
};

/** Row-wise means something only where tensors are not taken as one vector. */
function joinVectors(given: ParameterSettings): ParameterSettings {
  const { nuslerp_flatten: flatten = true, nuslerp_row_wise: rowWise = false, ...rest } = given;
  if (!('nuslerp_flatten' in given) && !('nuslerp_row_wise' in given)) return rest;
  const parts = rowWise === true ? 'column' : 'row';
  return { ...rest, vectors: flatten === false ? parts : 'tensor' };
}

const weighted = { int8_mask: int8Mask };
const elected = { int8_mask: int8Mask, normalize: disjointMean };

export const mergekitMethods: Readonly<Record<string, MergekitMethod>> = {
  linear: { required: ['weight'] },
  slerp: { required: ['t'] },
  nuslerp: { required: ['weight'], join: joinVectors },
  multislerp: {
    required: ['weight'],
    parameters: {
      normalize_weights: { name: 'normalize', values: { true: true, false: false } },
      eps: {
        ignored: 'it is the length below which a vector counts as zero here too',
        values: [1e-8],
      },
    },
  },
  karcher: {},
  passthrough: { baseUnlisted: true },
  model_stock: {},
  sce: { parameters: weighted },
  task_arithmetic: {
    required: ['weight'],
    parameters: { ...weighted, density: everyValue, rescale: everyValue },
  },
  ties: { required: ['weight'], parameters: { ...elected, rescale: noRescaling } },
  dare_linear: { required: ['weight'], parameters: { ...weighted, rescale: rescaling } },
  dare_ties: { required: ['weight'], parameters: { ...elected, rescale: rescaling } },
  della_linear: { required: ['weight'], parameters: { ...weighted, rescale: rescaling } },
  della: { required: ['weight'], parameters: { ...elected, rescale: rescaling } },
  breadcrumbs: { required: ['weight'], parameters: { ...weighted, rescale: rescaling } },
  breadcrumbs_ties: { required: ['weight'], parameters: { ...elected, rescale: rescaling } },
};

/** mergekit's methods without a counterpart here. */
export const otherMergekitMethods: readonly string[] = [
  'nearswap',
  'arcee_fusion',
  'ram',
  'ramplus_tl',
];
