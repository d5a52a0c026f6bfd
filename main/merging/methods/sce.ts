/**
 * Follows the authors' code, which became mergekit's: weights are mean squares of the selected changes of
 * a tensor, and equal where these add up to less than a floor. The floor is absolute, and small changes
 * of language models lie below it; set it to 0 for the formula of the paper.
 */
import { BLOCK } from '../blocks.ts';
import {
  forEachThinned,
  mergeTaskVectors,
  type Sparsify,
} from '../elementwise/merge-task-vectors.ts';
import { changesWithin } from '../elementwise/changes.ts';
import { Trimmer } from '../elementwise/trim.ts';
import { addProduct, emptySums, sumsOf } from '../elementwise/lane-sums.ts';
import { none } from '../elementwise/parameters.ts';
import { defineMethod, definePass, type Group } from '../method.ts';
import { selectionPasses, topSets, type Selected } from '../select-magnitudes.ts';

const parameters = {
  select_topk: {
    kind: 'number',
    title: 'Share to select',
    default: 1,
    range: { min: 0, max: 1 },
    help: 'The share of the weights of a tensor, of those on which the experts differ, to merge: those that vary most. 1 merges all; the paper uses 0.1.',
  },
  uniform_below: {
    kind: 'number',
    title: 'Equal weights below',
    default: 1e-6,
    range: { min: 0, max: 1 },
    help: 'Where the mean squares of the changes of a tensor add up to less, experts count equally, as in the original code; with 0 only where nothing has changed.',
  },
} as const;

type Prepared = Selected<'varied'> & {
  /** By tensor, Σ τk² of the selected changes. */
  readonly energies?: ReadonlyMap<string, Float64Array>;
};

const variedPasses = (share: number) =>
  selectionPasses<'varied', Prepared>('varied', {
    scope: 'tensor',
    exact: true,
    lists: 1,
    sizes: (_, count, { zeros }) => [Math.floor((count - zeros) * share)],
    fill(target, _list, { group, begin, end }) {
      target.set(variances(changesWithin(group, begin, end)));
    },
  });

const energyPass = definePass<Prepared, Map<string, Float64Array>>({
  begin: () => new Map<string, Float64Array>(),
  add(tally, group, _parameters, { prepared }) {
    const lanes = tally.get(group.name) ?? emptySums(group.experts.length);
    tally.set(group.name, lanes);
    const { sparsify = () => undefined } = selected(group, prepared);
    group.experts.forEach((_, k) => {
      forEachThinned(group, k, { sparsify, wholeRows: false }, (values, begin, count, thinned) => {
        if (thinned) addProduct(lanes, k, values, values, group.offset + begin, count);
      });
    });
  },
  combine(into, later) {
    for (const [name, lanes] of later) into.set(name, lanes);
  },
  finish: (tally, prepared) => ({
    ...prepared,
    energies: new Map([...tally].map(([name, lanes]) => [name, sumsOf(lanes)])),
  }),
});

export const sce = defineMethod<typeof parameters, typeof none, Prepared>({
  id: 'sce',
  title: 'SCE',
  family: 'sparse',
  paper: {
    title: 'FuseChat: knowledge fusion of chat models (Wan et al. 2024)',
    url: 'https://arxiv.org/abs/2408.07990',
  },
  summary:
    'Selects the weights on which the experts vary most, weighs each expert by the mean square of its changes in the tensor, and erases changes against the sign of the sum. ' +
    'It was made to merge chat models.',
  formula: 'θ = θ0 + Σ wk ek τ̂k / Σ wk ek, wk ∝ mean τ̂k², ek = [sign τ̂k = sign Σ τ̂j]',
  follows: "the authors' code, as mergekit has it",
  variants: { paper: { select_topk: 0.1, uniform_below: 0 } },
  inputs: { base: 'required', experts: { min: 1 } },
  parameters,
  perExpert: none,
  laws: {
    base_copies: {},
    single_expert: { select_topk: 1 },
    identical_experts: { select_topk: 1 },
    power_of_two: { uniform_below: 0 },
    sharding: {},
  },
  unit: 'value',
  passes: ({ select_topk: share }) => [...(share < 1 ? variedPasses(share) : []), energyPass],

  merge(group, { uniform_below: floor }, { prepared }) {
    const energies = prepared.energies!.get(group.name)!;
    const size = group.shape.reduce((product, length) => product * length, 1);
    const sum = energies.reduce((total, energy) => total + energy, 0);
    const uniform = sum === 0 || sum / size < floor;
    return mergeTaskVectors(group, {
      weights: Array.from(energies, (energy) => (uniform ? 1 / energies.length : energy / sum)),
      lambda: 1,
      ...selected(group, prepared),
      election: { vote: 'mass', weigh: 'after_vote', evenSign: 1, merge: 'weighted_mean' },
    });
  },
});

/** Population variance over the experts, at each position. */
function variances(changes: readonly Float64Array[]): Float64Array {
  const count = changes.length;
  return changes[0]!.map((_, i) => {
    let sum = 0;
    for (const change of changes) sum += change[i]!;
    const mean = sum / count;
    let squares = 0;
    for (const change of changes) squares += (change[i]! - mean) ** 2;
    return squares / count;
  });
}

/** All experts share a mask; nothing where all values are merged. */
function selected(group: Group, prepared: Prepared | undefined): { readonly sparsify?: Sparsify } {
  const varied = prepared?.varied;
  if (varied === undefined) return {};
  const [[top] = []] = topSets(varied, group);
  const trim = new Trimmer(Math.min(BLOCK, group.base.length));
  const sparsify: Sparsify = (values, _expert, begin, end) => {
    const by = variances(changesWithin(group, begin, end));
    trim.keepTop(values, top!, group.offset + begin, end - begin, by);
  };
  return { sparsify };
}
