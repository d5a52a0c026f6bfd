/** Rows that several methods' tables have in common. */
import type { Parameter } from '../../lib/parameters.ts';
import type { ElectionRules } from './sign-election.ts';

/** The table of a method that has no such parameters. */
export const none = {} as const;

export const weight = {
  kind: 'number',
  title: 'Weight w',
  default: 1,
  range: { min: -10, max: 10 },
  help: 'How much each expert counts, as one value for all or one for each; a negative one takes its change away.',
} as const satisfies Parameter;

export const density = {
  kind: 'number',
  title: 'Density',
  default: 0.5,
  range: { min: 0, max: 1 },
  help: 'The share of the values of each task vector to keep, as one value for all experts or one for each.',
} as const satisfies Parameter;

export const lambda = {
  kind: 'number',
  title: 'Scaling coefficient λ',
  default: 1,
  range: { min: -10, max: 10 },
  help: 'The share of the merged task vector to add to the base.',
} as const satisfies Parameter;

export const normalize = {
  kind: 'boolean',
  title: 'Divide by the weights',
  default: false,
  help: 'Whether the weighted sum is divided by the sum of the weights; where that is 0, it is not.',
} as const satisfies Parameter;

const vote = {
  kind: 'choice',
  title: 'Vote',
  default: 'mass',
  range: ['mass', 'frequency'],
  help: 'Whether the sign of the summed values is elected, as in the paper, or that of most values.',
} as const satisfies Parameter;

const weigh = {
  kind: 'choice',
  title: 'Weights act',
  default: 'before_vote',
  range: ['before_vote', 'after_vote'],
  help: 'Whether weights count in the election of signs, as in mergekit, or only afterwards, as in PEFT.',
} as const satisfies Parameter;

const merge = {
  kind: 'choice',
  title: 'Disjoint merge',
  default: 'sum',
  range: ['sum', 'mean', 'weighted_mean'],
  help: 'Whether the changes of the elected sign are summed, divided by how many there are, or divided by their weights (mergekit with normalize).',
} as const satisfies Parameter;

export const rescale = {
  kind: 'choice',
  title: 'Rescale',
  default: 'expected',
  range: ['expected', 'l1', 'none'],
  help: 'Kept values are divided by their probability, as in the paper, scaled to the L1 norm of the whole tensor (mergekit with rescale), or left as they are (mergekit without).',
} as const satisfies Parameter;

/** Of the methods that elect signs. */
export const election = { vote, weigh, merge } as const;

export type ElectionParameters = Pick<ElectionRules, 'vote' | 'weigh' | 'merge'>;
