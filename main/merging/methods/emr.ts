/**
 * Follows the authors' repository in the sign of a sum of zero (negative), and the paper in summing over
 * all parameters for the rescalers; the repository sums means of tensors instead.
 */
import { forEachChange, mergeChanges } from '../elementwise/changes.ts';
import { lambda, none } from '../elementwise/parameters.ts';
import { chosenTask, task } from '../elementwise/task-choice.ts';
import { defineMethod, definePass } from '../method.ts';
import type { Pass } from '../method.ts';

interface Sums {
  /** Σ |τk| and Σ |Mk ⊙ τuni|, over all values or as sums of the means of tensors. */
  readonly own: Float64Array;
  readonly masked: Float64Array;
  readonly size: { values: number };
}

interface Prepared {
  readonly rescalers: readonly number[];
}

const parameters = {
  task: {
    ...task,
    help: '0 writes the unified model, which is the part that all share and not meant to be used alone; k writes the k-th expert\u2019s model: masked and rescaled.',
  },
  rescaler: {
    kind: 'choice',
    title: 'Rescaler',
    default: 'values',
    range: ['values', 'tensor_means'],
    help: 'Whether the rescaler of a task compares sums over all values, as in the paper, or sums of the means of tensors, as in the authors\u2019 code.',
  },
  lambda,
} as const;

export const emr = defineMethod<typeof parameters, typeof none, Prepared>({
  id: 'emr',
  title: 'EMR-Merging',
  family: 'masks',
  paper: {
    title: 'EMR-Merging: tuning-free high-performance model merging (Huang et al. 2024)',
    url: 'https://arxiv.org/abs/2405.17461',
  },
  summary:
    'Elects at every weight a sign and the largest change of that sign; each task takes the changes that share its own sign, scaled to its own size. ' +
    'Which task it is must be known when the model is used.',
  formula: 'θ(k) = θ0 + λk Mk ⊙ τuni, Mk = [τk ⊙ τuni > 0], λk = Σ|τk| / Σ|Mk ⊙ τuni|',
  follows: "the paper, with the sign of zero of the authors' code",
  variants: { authors: { rescaler: 'tensor_means' } },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters,
  perExpert: none,
  laws: {
    base_copies: {},
    expert_order: { task: 0 },
    single_expert: { task: 0, lambda: 1 },
    identical_experts: { task: 0, lambda: 1 },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    sharding: {},
  },
  unit: 'value',
  passes: (values) => (values.task === 0 ? [] : [rescalerPass(values.rescaler)]),

  merge(group, values, { prepared, settings }) {
    const chosen = chosenTask(values.task, settings.length, 'emr');
    if (chosen === undefined) return mergeChanges(group, values.lambda, unify);
    const scale = values.lambda * prepared.rescalers[chosen]!;
    return mergeChanges(group, scale, (target, changes, count) => {
      unify(target, changes, count);
      const own = changes[chosen]!;
      for (let i = 0; i < count; i++) if (!(own[i]! * target[i]! > 0)) target[i] = 0;
    });
  },
});

/** γ ⊙ ε: the elected sign, and the largest magnitude among the changes that have it. */
function unify(target: Float64Array, changes: readonly Float64Array[], count: number): void {
  for (let i = 0; i < count; i++) {
    let sum = 0;
    let rise = 0;
    let fall = 0;
    for (let k = 0; k < changes.length; k++) {
      const change = changes[k]![i]!;
      sum += change;
      if (change > rise) rise = change;
      else if (change < fall) fall = change;
    }
    target[i] = sum > 0 ? rise : fall;
  }
}

function rescalerPass(rescaler: 'values' | 'tensor_means'): Pass<Prepared> {
  return definePass<Prepared, Sums>({
    begin: ({ expertCount }) => ({
      own: new Float64Array(expertCount),
      masked: new Float64Array(expertCount),
      size: { values: 0 },
    }),
    add({ own, masked, size }, group) {
      size.values = group.shape.reduce((product, length) => product * length, 1);
      const unified = new Float64Array(group.base.length);
      forEachChange(group, (changes, _begin, count) => {
        unify(unified, changes, count);
        changes.forEach((change, k) => {
          for (let i = 0; i < count; i++) {
            own[k]! += Math.abs(change[i]!);
            if (change[i]! * unified[i]! > 0) masked[k]! += Math.abs(unified[i]!);
          }
        });
      });
    },
    combine(into, { own, masked, size }) {
      const divisor = rescaler === 'values' ? 1 : size.values;
      own.forEach((sum, k) => {
        into.own[k]! += sum / divisor;
        into.masked[k]! += masked[k]! / divisor;
      });
    },
    finish: ({ own, masked }) => ({
      rescalers: Array.from(own, (sum, k) => (masked[k] === 0 ? 0 : sum / masked[k]!)),
    }),
  });
}
