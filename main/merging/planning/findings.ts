/** What pre-flight has to say: a closed table of findings, and findings as data. */

/** `error`: the merge cannot succeed. `warning`: it can, but look. `info`: worth knowing. */
export type Severity = 'error' | 'warning' | 'info';

interface FindingKind {
  readonly severity: Severity;
  readonly title: string;
}

export const findingTable = {
  adapter_alone: { severity: 'error', title: 'An adapter where a model is needed' },
  architecture: { severity: 'warning', title: 'Models of different architecture' },
  base_missing: { severity: 'error', title: 'No base model' },
  dtype_unsupported: { severity: 'error', title: 'Values that cannot be merged' },
  expert_count: { severity: 'error', title: 'Too few or too many models' },
  extra_tensors: { severity: 'warning', title: 'Tensors that are left out' },
  far_from_base: { severity: 'warning', title: 'Far from the base' },
  filter_unused: { severity: 'warning', title: 'A filter that fits no tensor' },
  gradient_without_layers: { severity: 'warning', title: 'A gradient without layers' },
  layers_out_of_range: { severity: 'error', title: 'Layers that do not exist' },
  layers_unclear: { severity: 'error', title: 'Layers cannot be told apart' },
  memory: { severity: 'error', title: 'Not enough memory' },
  missing_tensors: { severity: 'error', title: 'Missing tensors' },
  mixed_dtypes: { severity: 'info', title: 'Models of different precision' },
  model_unreadable: { severity: 'error', title: 'A model that cannot be opened' },
  non_finite: { severity: 'error', title: 'NaN or infinite values' },
  note: { severity: 'info', title: 'Note' },
  nothing_to_merge: { severity: 'error', title: 'Nothing to merge' },
  output_exists: { severity: 'error', title: 'The result exists already' },
  disk_space: { severity: 'error', title: 'Not enough disk space' },
  same_model: { severity: 'warning', title: 'The same model twice' },
  shape_mismatch: { severity: 'error', title: 'Tensors of different shape' },
  tied_head: { severity: 'warning', title: 'Some models have a head of their own' },
  time: { severity: 'info', title: 'Estimated time' },
  tokenizers_differ: { severity: 'warning', title: 'Different tokenizers' },
  varying_pass: { severity: 'error', title: 'A value that must be the same everywhere' },
  vocabulary: { severity: 'error', title: 'Vocabularies of different size' },
  vocabulary_merge: { severity: 'error', title: 'Tokenizers would have to be merged' },
} as const satisfies Record<string, FindingKind>;

export type FindingId = keyof typeof findingTable;

/** Tensors a finding is about: a few of them, and how many in all. */
export interface TensorExamples {
  readonly examples: readonly string[];
  readonly count: number;
}

export interface Finding {
  readonly id: FindingId;
  readonly severity: Severity;
  readonly title: string;
  /** What was found, with the values, and what to do where no fix does it. */
  readonly what: string;
  readonly tensors: TensorExamples;
  /** As `--fix` and a recipe's `fixes` take it. */
  readonly fix?: string | undefined;
}

const exampleCount = 3;

export function finding(
  id: FindingId,
  what: string,
  more: { readonly tensors?: readonly string[]; readonly fix?: string | undefined } = {},
): Finding {
  const { tensors = [], fix } = more;
  return {
    id,
    ...findingTable[id],
    what,
    tensors: { examples: tensors.slice(0, exampleCount), count: tensors.length },
    ...(fix === undefined ? {} : { fix }),
  };
}
