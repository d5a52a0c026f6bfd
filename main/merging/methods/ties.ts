/**
 * The defaults follow the authors' code (prateeky2806/ties-merging): the trim is global over all tensors
 * of a task, entries equal to the threshold are all kept, and a position whose trimmed values cancel
 * takes the sign of the majority of all positions. Differences are taken in fp64 and only compared as
 * fp32. mergekit and PEFT trim every tensor by itself, to an exact number; see `variants`.
 */
import type { ParameterValues } from '../../lib/parameters.ts';
import { BLOCK } from '../blocks.ts';
import {
  density,
  election,
  lambda,
  weight,
  type ElectionParameters,
} from '../elementwise/parameters.ts';
import {
  electionBalance,
  mergeTaskVectors,
  type TaskVectorMerge,
} from '../elementwise/merge-task-vectors.ts';
import type { ElectionRules } from '../elementwise/sign-election.ts';
import { Trimmer } from '../elementwise/trim.ts';
import { numbersOf, weightsOf } from '../elementwise/weights.ts';
import { defineMethod, definePass, type Group, type Pass } from '../method.ts';
import {
  selectionPasses,
  topSets,
  type Selected,
  type SelectionRequest,
} from '../select-magnitudes.ts';

type Prepared = Selected<'kept'> & {
  /** −1, 0 or 1, of the elected signs of all positions. */
  readonly majoritySign?: number;
};

export const ties = defineMethod({
  id: 'ties',
  title: 'TIES-Merging',
  family: 'sparse',
  paper: {
    title: 'TIES-Merging: resolving interference when merging models (Yadav et al. 2023)',
    url: 'https://arxiv.org/abs/2306.01708',
  },
  summary:
    'Each task vector keeps only its largest changes; at every weight the experts elect a sign, and only changes of that sign are added to the base. ' +
    'This keeps small and contradicting changes from drowning the important ones.',
  formula: 'θ = θ0 + λ Σ { τ̂k : sign τ̂k = sign Σ τ̂j }, τ̂k = largest values of θk − θ0',
  follows:
    "the authors' code, with the sum and λ that FusionBench and AdaMerging use for eight tasks",
  variants: {
    paper: { density: 0.2, lambda: 1, merge: 'mean' },
    mergekit: {
      density: 1,
      lambda: 1,
      merge: 'weighted_mean',
      trim: 'tensor_exact',
      even_sign: 'positive',
    },
    peft: {
      lambda: 1,
      merge: 'mean',
      trim: 'tensor_exact',
      even_sign: 'positive',
      weigh: 'after_vote',
    },
  },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: {
    lambda: {
      ...lambda,
      default: 0.3,
      help: 'The share of the merged task vector to add: 0.3 is customary with "sum" and eight tasks, 1 with the means.',
    },
    trim: {
      kind: 'choice',
      title: 'Trim',
      default: 'model',
      range: ['model', 'tensor', 'tensor_exact'],
      help: 'Whether the largest changes are sought in the whole model, as in the paper, or in each tensor; with "tensor_exact", as in mergekit and PEFT, exactly that many are kept, at least one, and of equal ones the first.',
    },
    even_sign: {
      kind: 'choice',
      title: 'Sign of an even vote',
      default: 'majority',
      range: ['majority', 'positive'],
      help: 'What a position takes whose changes cancel: the sign of most positions of the model, as in the paper, or the positive one, as in mergekit and PEFT.',
    },
    ...election,
  },
  perExpert: {
    weight,
    density: {
      ...density,
      title: 'Density K',
      default: 0.2,
      help: 'The share of each task vector to keep, as one value for all experts or one for each; 0.2 keeps the largest 20 %.',
    },
  },
  laws: {
    base_copies: {},
    expert_order: {},
    single_expert: { density: 1, lambda: 1, weight: 1 },
    identical_experts: { density: 1, lambda: 1, weight: 1, merge: 'mean' },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    sharding: {},
  },
  unit: 'value',

  passes(parameters, settings): readonly Pass<Prepared>[] {
    const full = settings.every((own) => own.density === 1);
    return [
      ...(full
        ? []
        : selectionPasses<'kept', Prepared>('kept', selection(parameters.trim, settings))),
      ...(parameters.even_sign === 'majority' ? [majorityPass] : []),
    ];
  },

  merge(group, parameters, { prepared, settings }) {
    return mergeTaskVectors(group, {
      weights: weightsOf(settings),
      lambda: parameters.lambda,
      ...trimmer(group, prepared),
      election: rulesOf(parameters, prepared),
    });
  },
});

type Trim = 'model' | 'tensor' | 'tensor_exact';

function selection(trim: Trim, whole: readonly ParameterValues[]): SelectionRequest<Prepared> {
  const exact = trim === 'tensor_exact';
  return {
    scope: trim === 'model' ? 'model' : 'tensor',
    exact,
    sizes(list, count, { settings }) {
      const density = numbersOf(trim === 'model' ? whole : settings, 'density')[list]!;
      const share = Math.floor(count * density);
      // The authors keep what is not less than the (d − ⌊d K⌋)-th smallest: one more.
      if (!exact) return [Math.min(share + 1, count)];
      return [density === 0 ? 0 : Math.min(Math.max(share, 1), count)];
    },
  };
}

/** In full density nothing was selected, and nothing is dropped. */
function trimmer(
  group: Group,
  prepared: Prepared | undefined,
): Pick<TaskVectorMerge, 'sparsify' | 'masking'> {
  if (prepared?.kept === undefined) return {};
  const tops = topSets(prepared.kept, group).map(([top]) => top!);
  const trim = new Trimmer(Math.min(BLOCK, group.base.length));
  return {
    masking: { tops },
    sparsify(values, expert, begin, end) {
      trim.keepTop(values, tops[expert]!, group.offset + begin, end - begin);
    },
  };
}

function rulesOf(
  { vote, weigh, merge }: ElectionParameters,
  prepared: Prepared | undefined,
): ElectionRules {
  // As in the authors' code, a majority that is zero after all elects the negative values.
  const evenSign = (prepared?.majoritySign ?? 1) > 0 ? 1 : -1;
  return { vote, weigh, merge, evenSign };
}

const majorityPass = definePass<Prepared, { balance: number }>({
  orderFree: true,
  begin: () => ({ balance: 0 }),
  add(tally, group, parameters, { prepared, settings }) {
    const rules = rulesOf(parameters as ElectionParameters, undefined);
    const merge = { weights: weightsOf(settings), ...trimmer(group, prepared) };
    tally.balance += electionBalance(group, merge, rules);
  },
  combine(into, { balance }) {
    into.balance += balance;
  },
  finish: ({ balance }, prepared) => ({ ...prepared, majoritySign: Math.sign(balance) }),
});
