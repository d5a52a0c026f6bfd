/**
 * What mergekit's methods (0.1) expect beside what our records of the same id say. Its rules, where they
 * are others than our defaults, are the `mergekit` variant of the record.
 */

interface MergekitMethod {
  /** Parameters it has no default for. */
  readonly required?: readonly string[];
  /** Parameters it takes that change nothing here, each with the reason. */
  readonly ignored?: Readonly<Record<string, string>>;
  /** Our names, where they differ. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** The base is the first of the models that are merged, wherever it stands. */
  readonly baseFirst?: boolean;
  /** The base is no input, unless it is listed among the models. */
  readonly baseUnlisted?: boolean;
}

const int8Mask = {
  int8_mask: 'it makes the masks smaller in memory; the result is the same without it',
};
const noSparsity = 'this method keeps every value, in mergekit too';

export const mergekitMethods: Readonly<Record<string, MergekitMethod>> = {
  linear: { required: ['weight'] },
  slerp: { required: ['t'], baseFirst: true },
  nuslerp: { required: ['weight'] },
  multislerp: { required: ['weight'] },
  karcher: {},
  passthrough: { baseUnlisted: true },
  model_stock: {},
  sce: { ignored: int8Mask },
  task_arithmetic: {
    required: ['weight'],
    ignored: { ...int8Mask, density: noSparsity, rescale: noSparsity },
  },
  ties: { required: ['weight'], ignored: int8Mask },
  dare_ties: { required: ['weight'], ignored: int8Mask },
  dare_linear: { required: ['weight'], ignored: int8Mask },
  della: { required: ['weight'], ignored: int8Mask },
  della_linear: { required: ['weight'], ignored: int8Mask },
  breadcrumbs: { required: ['weight'], ignored: int8Mask },
  breadcrumbs_ties: { required: ['weight'], ignored: int8Mask },
};

/** mergekit's methods without a counterpart here. */
export const otherMergekitMethods: readonly string[] = [
  'nearswap',
  'arcee_fusion',
  'ram',
  'ramplus_tl',
];
