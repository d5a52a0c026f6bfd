import { BLOCK } from '../blocks.ts';
import { addWeighted } from '../elementwise/arithmetic.ts';
import { mergeChanges } from '../elementwise/changes.ts';
import { lambda } from '../elementwise/parameters.ts';
import { chosenTask, task } from '../elementwise/task-choice.ts';
import { numbersOf } from '../elementwise/weights.ts';
import { defineMethod } from '../method.ts';

const parameters = {
  lambda: { ...lambda, default: 0.3 },
  agreement: {
    kind: 'integer',
    title: 'Tasks that must use a weight',
    default: 2,
    range: { min: 1, max: 64 },
    help: 'A change is kept if the masks of at least this many tasks have it: 2 leaves out what no task or only one uses.',
  },
  task: {
    ...task,
    help: '0 writes the consensus of all tasks; k writes the k-th task\u2019s model, the summed changes under its own mask, which needs the task to be known when it is used.',
  },
} as const;

const perExpert = {
  threshold: {
    kind: 'number',
    title: 'Mask threshold λk',
    default: 0.4,
    range: { min: 0, max: 10 },
    help: 'A task\u2019s mask has the weights whose own change exceeds this share of what the other tasks add; the paper tries 0.2 to 0.6.',
  },
} as const;

export const consensus = defineMethod({
  id: 'consensus',
  title: 'Consensus merging (TALL masks)',
  family: 'masks',
  paper: {
    title:
      'Localizing task information for improved model merging and compression (Wang et al. 2024)',
    url: 'https://arxiv.org/abs/2405.07813',
  },
  summary:
    'Finds for each task the weights that matter to it in the sum of all task vectors, and keeps those that several tasks need. ' +
    'What serves a single task, or none, is left at the base.',
  formula: 'θ = θ0 + λ [Σ mk ≥ c] ⊙ Σ τj, mk = [|τk| > λk |Σ τj − τk|]',
  follows: "the authors' code, with masks over the plain sum of task vectors",
  inputs: { base: 'required', experts: { min: 1 } },
  parameters,
  perExpert,
  laws: {
    base_copies: {},
    expert_order: { task: 0 },
    single_expert: { task: 0, agreement: 1, lambda: 1 },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'value',

  merge(group, values, { settings }) {
    const thresholds = numbersOf(settings, 'threshold');
    const chosen = chosenTask(values.task, settings.length, 'consensus');
    const least = chosen === undefined ? values.agreement : 1;
    const users = new Uint16Array(Math.min(BLOCK, group.base.length));
    return mergeChanges(group, values.lambda, (sum, changes, count) => {
      sum.fill(0);
      users.fill(0);
      for (const change of changes) addWeighted(sum, change, 1, count);
      for (const [k, change] of changes.entries()) {
        if (chosen === undefined || k === chosen) {
          addUsers(users, change, sum, thresholds[k]!, count);
        }
      }
      for (let i = 0; i < count; i++) sum[i] = users[i]! >= least ? sum[i]! : 0;
    });
  },
});

/** Without branches, which every mask would take by chance. */
function addUsers(
  users: Uint16Array,
  change: Float64Array,
  sum: Float64Array,
  threshold: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const own = change[i]!;
    users[i]! += Number(Math.abs(own) > threshold * Math.abs(sum[i]! - own));
  }
}
