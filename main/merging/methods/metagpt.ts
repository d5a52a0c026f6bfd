/** Under linearity and orthogonality of the task vectors the best λk are known without data. */
import { dotFrom } from '../elementwise/arithmetic.ts';
import { forEachChange } from '../elementwise/changes.ts';
import { changed } from '../elementwise/combinations.ts';
import { none } from '../elementwise/parameters.ts';
import { defineMethod, definePass } from '../method.ts';

interface Squares {
  /** ‖τk‖² over the whole model. */
  readonly squares: Float64Array;
}

const squaresPass = definePass<Squares, Float64Array>({
  begin: ({ expertCount }) => new Float64Array(expertCount),
  add(tally, group) {
    forEachChange(group, (changes, _begin, count) => {
      changes.forEach((change, k) => {
        tally[k] = dotFrom(tally[k]!, change, change, count);
      });
    });
  },
  combine(into, later) {
    later.forEach((square, k) => {
      into[k]! += square;
    });
  },
  finish: (squares) => ({ squares }),
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
