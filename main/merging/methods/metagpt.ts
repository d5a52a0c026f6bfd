/** Under linearity and orthogonality of the task vectors the best λk are known without data. */
import { forEachChange } from '../elementwise/changes.ts';
import { changed } from '../elementwise/combinations.ts';
import { addProduct, emptySums, sumsOf } from '../elementwise/lane-sums.ts';
import { none } from '../elementwise/parameters.ts';
import { defineMethod, definePass } from '../method.ts';

interface Squares {
  /** ‖τk‖² over the whole model. */
  readonly squares: Float64Array;
}

interface Tally {
  /** Of the tensor at hand. */
  readonly lanes: Float64Array;
  readonly sums: Float64Array;
}

const squaresPass = definePass<Squares, Tally>({
  begin: ({ expertCount }) => ({
    lanes: emptySums(expertCount),
    sums: new Float64Array(expertCount),
  }),
  add({ lanes }, group) {
    forEachChange(group, (changes, begin, count) => {
      changes.forEach((change, k) => {
        addProduct(lanes, k, change, change, group.offset + begin, count);
      });
    });
  },
  combine({ sums }, { lanes }) {
    sumsOf(lanes).forEach((square, k) => {
      sums[k]! += square;
    });
  },
  finish: ({ sums }) => ({ squares: sums }),
});

export const metagpt = defineMethod<typeof none, typeof none, Squares>({
  id: 'metagpt',
  title: 'MetaGPT',
  family: 'optimised',
  paper: {
    title:
      'MetaGPT: merging large language models using model exclusive task arithmetic (Zhou et al. 2024)',
    url: 'https://arxiv.org/abs/2406.11385',
  },
  summary:
    'Task arithmetic with one coefficient for each expert, in closed form: its share of the squared lengths of all task vectors. ' +
    'Experts that moved further count for more, and equal ones are averaged.',
  formula: 'θ = θ0 + Σ λk τk, λk = ‖τk‖² / Σ ‖τj‖²',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: none,
  perExpert: none,
  laws: {
    base_copies: {},
    single_expert: {},
    identical_experts: {},
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'value',
  passes: () => [squaresPass],

  merge(group, _parameters, { prepared: { squares } }) {
    const sum = squares.reduce((total, square) => total + square, 0);
    const factors = Array.from(squares, (square) => (sum === 0 ? 0 : square / sum));
    return changed(group, factors);
  },
});
