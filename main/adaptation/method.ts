/** What an adaptive merging method is: a record like those of merging/, with a model that learns. */
import type { Parameter, ParameterTable, ParameterValues } from '../lib/parameters.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import type { MergedModel, Reduction } from '../models/merged-model.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import type { ExpertSet } from './dictionary.ts';
import type { Objective } from './objective.ts';
import type { ModelSizes } from './sizes.ts';

/** What is done when the predictions on a task collapse to few of its classes. */
export type Guard = 'off' | 'warn' | 'stop' | 'protect';

/** How a method's parameters set the adaptation loop and the evaluation. */
export interface AdaptationSettings {
  readonly steps: number;
  readonly learningRate: number;
  readonly schedule: 'constant' | 'cosine';
  readonly diversity: number;
  readonly objective: Objective;
  readonly guard: Guard;
  /** How routing weights are shared within a batch; undefined for methods without routers. */
  readonly reduction:
    { readonly adaptation: Reduction; readonly evaluation: Reduction } | undefined;
}

export interface AdaptiveMethod<Table extends ParameterTable = ParameterTable> {
  readonly id: string;
  readonly title: string;
  readonly paper: { readonly title: string; readonly url: string };
  /** Two plain sentences. */
  readonly summary: string;
  readonly formula: string;
  readonly parameters: Table;
  /** Whether it goes on from another merge, `merged` of its experts' set, which its parameter `of` names. */
  readonly onMerge?: true;
  settings(parameters: ParameterValues<Table>): AdaptationSettings;
  /**
   * What the model is made of, tensor by tensor: computed when it is asked for, so that somebody else may be served, or
   * the work be cancelled, in between.
   */
  constants(
    set: ExpertSet,
    parameters: ParameterValues<Table>,
  ):
    | Iterable<readonly [name: string, tensor: Tensor]>
    | AsyncIterable<readonly [name: string, tensor: Tensor]>;
  /** From shapes alone. */
  sizes(config: VisionConfig, expertCount: number, parameters: ParameterValues<Table>): ModelSizes;
  /** The model of these constants. */
  create(
    set: ExpertSet,
    parameters: ParameterValues<Table>,
    seed: number,
    constants: TensorMap,
  ): MergedModel;
}

export function defineAdaptiveMethod<const Table extends ParameterTable>(
  method: AdaptiveMethod<Table>,
): AdaptiveMethod<Table> {
  return method;
}

/** Parameters that every adaptive method has. */
export const loopParameters = {
  steps: {
    kind: 'integer',
    title: 'Adaptation steps',
    default: 1000,
    range: { min: 0, max: 1_000_000 },
    help: 'Each step takes one batch of every task; most of the gain comes in the first 300.',
  },
  learning_rate: {
    kind: 'number',
    title: 'Learning rate',
    default: 1e-3,
    range: { min: 0, max: 10 },
    help: 'Step size of Adam; 1e-4 is customary for the routers of CLIP ViT-B/32, 1e-3 for coefficients.',
  },
  schedule: {
    kind: 'choice',
    title: 'Learning-rate schedule',
    default: 'constant',
    range: ['constant', 'cosine'],
    help: 'Cosine lets the rate fall to 0 over the steps, which settles the end of a short run.',
  },
  objective: {
    kind: 'choice',
    title: 'Objective',
    default: 'entropy',
    range: ['entropy', 'distillation'],
    help: 'Entropy, as published: predictions become sure. Distillation: predictions on each task’s images become those of its own expert. Neither sees a label.',
  },
  diversity: {
    kind: 'number',
    title: 'Diversity weight β',
    default: 0,
    range: { min: 0, max: 10 },
    help: 'Rewards using all classes of a task over a batch, which keeps the entropy from falling by giving every image one class. 0 is the published objective; 1 helps where experts are unsure and classes are balanced.',
  },
  guard: {
    kind: 'choice',
    title: 'Guard against collapse',
    default: 'protect',
    range: ['off', 'warn', 'stop', 'protect'],
    help: 'What to do when a task’s images come to get few of its classes, as entropy alone may have it: nothing; say so; end with the best step; or go back to it and on with β = 1 for that task. Without a collapse all give the same result.',
  },
} as const satisfies ParameterTable;

/** Where coefficients and routing weights start. */
export const initialLambda = {
  kind: 'number',
  title: 'Initial coefficient λ0',
  default: 0.3,
  range: { min: -2, max: 2 },
  help: 'Where every coefficient starts; 0.3 makes the start equal to task arithmetic.',
} as const satisfies Parameter;

const reduction = {
  kind: 'choice',
  default: 'per-sample',
  range: ['per-sample', 'batch-mean'],
} as const;

/** Parameters of methods whose routers learn. */
export const routerParameters = {
  router_layers: {
    kind: 'integer',
    title: 'Router depth l',
    default: 2,
    range: { min: 0, max: 2 },
    help: '0: a learned constant; 1: a linear map; 2: linear, ReLU, linear.',
  },
  lambda: initialLambda,
  adaptation_reduction: {
    ...reduction,
    title: 'Routing during adaptation',
    help: 'Per sample: every image its own weights. Batch mean: the images of a task share them, which is faster.',
  },
  evaluation_reduction: {
    ...reduction,
    title: 'Routing during evaluation',
    help: 'Batch mean needs batches of a single task, so it profits from knowing the task; per sample does not.',
  },
  ...loopParameters,
  learning_rate: { ...loopParameters.learning_rate, default: 1e-4 },
} as const satisfies ParameterTable;

/** Settings of the loop and of the routers as their parameters give them. */
export function routedSettings(
  parameters: ParameterValues<typeof routerParameters>,
): AdaptationSettings {
  return {
    ...loopSettings(parameters),
    reduction: {
      adaptation: parameters.adaptation_reduction,
      evaluation: parameters.evaluation_reduction,
    },
  };
}

export function loopSettings({
  steps,
  learning_rate: learningRate,
  schedule,
  diversity,
  objective,
  guard,
}: Omit<ParameterValues<typeof loopParameters>, 'objective'> & {
  readonly objective: Objective;
}): Omit<AdaptationSettings, 'reduction'> {
  return { steps, learningRate, schedule, diversity, objective, guard };
}
