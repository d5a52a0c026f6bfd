/**
 * One adaptation step as one program: forward through the merged model, entropy of the predictions,
 * backward to the trainables. It takes images and frozen heads; there is no place for a label.
 */
import { Builder } from '../graph/builder.ts';
import { gradient } from '../graph/gradient.ts';
import { narrow } from '../graph/narrow.ts';
import type { Program, Value } from '../graph/program.ts';
import { normalise } from '../models/head.ts';
import {
  routingName,
  type Encoding,
  type MergedModel,
  type Reduction,
} from '../models/merged-model.ts';
import { featureSize } from '../models/vision-config.ts';
import { imageShape } from '../models/vit.ts';

/**
 * What an adaptation minimises: the entropy of predictions, their distance from the experts', (`task`) how badly the
 * routers tell which task an image is of, or (`representation`) the distance of features from the experts'.
 */
export type Objective = 'entropy' | 'distillation' | 'task' | 'representation';

export interface StepShape {
  /** Tasks whose images one call of the program holds, one after another; if mixed, of that many tasks' worth. */
  readonly tasks: number;
  /** Images of each task. */
  readonly batch: number;
  /** Largest class count among the tasks; if mixed, the classes of all tasks together. */
  readonly classes: number;
  readonly reduction: Reduction;
  /** What is minimised; the published objective, `entropy`, when left out. */
  readonly objective?: Objective;
  /** β, the weight of the marginal entropy; 0, the published objective, when left out. */
  readonly diversity?: number;
  /** Whether every task has a β of its own, as the input `diversity`, instead. */
  readonly guarded?: boolean;
  /** Whether the features are given instead of the images: nothing before them learns. */
  readonly encoded?: boolean;
  /** All tasks of the run, where the images of a call are of any of them, in any order. */
  readonly mixed?: number | undefined;
}

/**
 * Inputs: `images` [T·B, c, s, s], `heads` [T, C, e], `mask` [T, 1, C], the trainables; for
 * distillation `targets` [T, B, C], the predictions of each task's own expert, for `representation` [T, B, e], its
 * features; for `task` and models that need to know the task `own` [T·B, K], 1 where an image is of the expert's task;
 * if guarded `diversity` [T], β by task. If encoded, the model's own `features` [T·B, e] in place of `images`.
 * Mixed: one head [1, C, e] of the classes of all tasks, its mask [1, T·B, C], targets [1, T·B, …], and `members`
 * [tasks, T·B] with 1/B where an image is of a task. Images that share weights under `batch-mean` are then of any task.
 * Results: `loss` = Σ over tasks of (mean objective of their images − β · entropy of their mean
 * prediction) in nats, `entropy` [T] of the predictions, `marginal` [T, C], the mean prediction, `routing/…` λ of each
 * routed layer, and `gradient/…` of the loss for each trainable. If mixed, entropy and marginal are of the images that
 * the call has of a task, over B.
 *
 * Distillation minimises KL(expert ‖ merged model) (the idea of SyMerge, arXiv 2412.19098): it asks
 * which task an image is of, which entropy needs too, and then lets the expert say more than that the
 * prediction be sure. Still no label is seen.
 *
 * The objective `task` is the cross-entropy of the routing weights and the task of each image, for routers whose weights
 * are shares of 1 for every image (Twin-Merging). It needs no predictions, which are only reported.
 *
 * The objective `representation` is the mean absolute difference of the features and those of the image's own expert
 * (Representation Surgery); it needs no predictions either.
 *
 * Entropy alone is least when all images get one and the same class. With β = 1 the loss is the
 * negative mutual information of image and predicted class ("information maximisation": Krause, Perona
 * and Gomes 2010; Liang, Hu and Feng 2020), which rules that out.
 */
export function adaptationStep(model: MergedModel, shape: StepShape): Program {
  return gradient(narrow(stepForward(model, shape)), {
    of: 'loss',
    withRespectTo: model.trainables.map(({ name }) => name),
  });
}

/** The step without gradients, as the model says it: nothing is narrowed to what the results need. */
export function stepForward(model: MergedModel, shape: StepShape): Program {
  const g = new Builder();
  const { features: encoded, routing } = encodingOf(g, model, shape);
  const { byTask: known } = model;
  const own = () => g.input('own', [shape.tasks * shape.batch, known?.experts ?? 0]);
  const features = known?.apply(g, encoded, own()) ?? encoded;
  const { p, logP, entropy, marginal, share } = (shape.mixed === undefined ? byTask : byMembership)(
    g,
    features,
    shape,
    featureSize(model.config),
  );
  const objectives = {
    entropy: () => g.sum(entropy, [0]),
    distillation: () => divergence(g, p, logP, shape),
    task: () => routingError(g, routing, shape),
    representation: () => distance(g, features, shape),
  } satisfies Record<Objective, () => Value>;
  const objective = objectives[shape.objective ?? 'entropy']();
  const diverse = diversity(g, marginal, share, shape);
  return g.build('adaptation step', {
    loss: diverse === undefined ? objective : g.sub(objective, diverse),
    entropy,
    marginal,
    ...Object.fromEntries(routing.map((lambdas, layer) => [routingName(layer), lambdas])),
  });
}

function encodingOf(g: Builder, model: MergedModel, shape: StepShape): Encoding {
  const { reduction, tasks: groups, batch, encoded = false } = shape;
  const count = groups * batch;
  if (encoded) {
    return { features: g.input('features', [count, featureSize(model.config)]), routing: [] };
  }
  const images = g.input('images', imageShape(model.config, count));
  return model.encode(g, images, { reduction, groups });
}

interface Predictions {
  /** Probabilities of the classes and their logarithms, [T, B, C], or [1, T·B, C] if mixed. */
  readonly p: Value;
  readonly logP: Value;
  /** [T] */
  readonly entropy: Value;
  /** [T, C] */
  readonly marginal: Value;
  /** Images of each task in this call over B, [T, 1]; left out where it is 1. */
  readonly share?: Value;
}

/** Every task's images in a block of their own. */
function byTask(g: Builder, features: Value, shape: StepShape, width: number): Predictions {
  const { tasks, batch, classes } = shape;
  const heads = g.input('heads', [tasks, classes, width]);
  const mask = g.input('mask', [tasks, 1, classes]);
  const stacked = g.reshape(normalise(g, features), [tasks, batch, width]);
  const logits = g.add(g.matmul(stacked, heads, { transposeRight: true }), mask);
  const [p, logP] = [g.softmax(logits), g.logSoftmax(logits)];
  const entropy = g.unary('neg', g.scale(g.sum(g.mul(p, logP), [1, 2]), 1 / batch));
  return { p, logP, entropy, marginal: g.mean(p, [1]) };
}

/** Images of all tasks mixed; each is only ever given classes of its own task. */
function byMembership(g: Builder, features: Value, shape: StepShape, width: number): Predictions {
  const { tasks, batch, classes, mixed = tasks } = shape;
  const count = tasks * batch;
  const heads = g.input('heads', [1, classes, width]);
  const mask = g.input('mask', [1, count, classes]);
  const members = g.input('members', [mixed, count]);
  const stacked = g.reshape(normalise(g, features), [1, count, width]);
  const logits = g.add(g.matmul(stacked, heads, { transposeRight: true }), mask);
  const [p, logP] = [g.softmax(logits), g.logSoftmax(logits)];
  const each = g.unary('neg', g.reshape(g.sum(g.mul(p, logP), [2]), [count, 1]));
  return {
    p,
    logP,
    entropy: g.reshape(g.matmul(members, each), [mixed]),
    marginal: g.matmul(members, g.reshape(p, [count, classes])),
    share: g.sum(members, [1], true),
  };
}

/** Σ over tasks of the mean KL(targets ‖ predictions) of their images; classes of target 0 add 0. */
function divergence(g: Builder, p: Value, logP: Value, { batch }: StepShape): Value {
  const targets = g.input('targets', g.shape(p));
  const known = g.unary('log', g.add(targets, g.fill(1e-12)));
  return g.scale(g.sum(g.mul(targets, g.sub(known, logP)), [0, 1, 2]), 1 / batch);
}

/** Σ over tasks of the mean |feature − expert's feature| of their images and of all features. */
function distance(g: Builder, features: Value, { tasks, batch, mixed }: StepShape): Value {
  const [count = 0, width = 0] = g.shape(features);
  const rows = mixed === undefined ? [tasks, batch, width] : [1, count, width];
  const gap = g.sub(g.reshape(features, rows), g.input('targets', rows));
  const size = g.add(g.unary('relu', gap), g.unary('relu', g.unary('neg', gap)));
  return g.scale(g.sum(size, [0, 1, 2]), 1 / (batch * width));
}

/** Σ over tasks of the mean −log of the share that the image's own expert gets, in every routed layer. */
function routingError(g: Builder, routing: readonly Value[], { batch }: StepShape): Value {
  const parts = routing.map((shares) => {
    const own = g.input('own', g.shape(shares));
    const logs = g.unary('log', g.add(shares, g.fill(1e-12)));
    return g.scale(g.sum(g.mul(own, logs), [0, 1]), -1 / batch);
  });
  return parts.reduce((sum, part) => g.add(sum, part));
}

/** Σ over tasks of β times the entropy of the mean prediction; undefined where every β is 0. */
function diversity(
  g: Builder,
  marginal: Value,
  share: Value | undefined,
  { diversity: beta = 0, guarded = false }: StepShape,
): Value | undefined {
  if (beta === 0 && !guarded) return undefined;
  const entropy = marginalEntropy(g, marginal, share);
  if (!guarded) return g.scale(g.sum(entropy, [0]), beta);
  return g.sum(g.mul(entropy, g.input('diversity', g.shape(entropy))), [0]);
}

/** H of the mean prediction of each task's images, [T]; a class that no image is given adds 0. */
function marginalEntropy(g: Builder, marginal: Value, share: Value | undefined): Value {
  const small = g.fill(1e-12);
  const mean = share === undefined ? marginal : g.div(marginal, g.add(share, small));
  // A task of which a call has few images counts as little.
  const weight = share === undefined ? mean : marginal;
  const terms = g.mul(weight, g.unary('log', g.add(mean, small)));
  return g.unary('neg', g.sum(terms, [1]));
}
