/**
 * One adaptation step as one program: forward through the merged model, entropy of the predictions,
 * backward to the trainables. It takes images and frozen heads; there is no place for a label.
 */
import { Builder } from '../graph/builder.ts';
import { gradient } from '../graph/gradient.ts';
import type { Program, Value } from '../graph/program.ts';
import { normalise } from '../models/head.ts';
import { routingName, type MergedModel, type Reduction } from '../models/merged-model.ts';
import { featureSize } from '../models/vision-config.ts';
import { imageShape } from '../models/vit.ts';

/** What an adaptation minimises: the entropy of predictions, or their distance from the experts'. */
export type Objective = 'entropy' | 'distillation';

export interface StepShape {
  /** Tasks whose images one call of the program holds, one after another. */
  readonly tasks: number;
  /** Images of each task. */
  readonly batch: number;
  /** Largest class count among the tasks. */
  readonly classes: number;
  readonly reduction: Reduction;
  /** What is minimised; the published objective, `entropy`, when left out. */
  readonly objective?: Objective;
  /** β, the weight of the marginal entropy; 0, the published objective, when left out. */
  readonly diversity?: number;
}

/**
 * Inputs: `images` [T·B, c, s, s], `heads` [T, C, e], `mask` [T, 1, C], the trainables, and for
 * distillation `targets` [T, B, C], the predictions of each task's own expert.
 * Results: `loss` = Σ over tasks of (mean objective of their images − β · entropy of their mean
 * prediction) in nats, `entropy` [T] of the predictions, `routing/…` λ of each routed layer, and
 * `gradient/…` of the loss for each trainable.
 *
 * Distillation minimises KL(expert ‖ merged model) (the idea of SyMerge, arXiv 2412.19098): it asks
 * which task an image is of, which entropy needs too, and then lets the expert say more than that the
 * prediction be sure. Still no label is seen.
 *
 * Entropy alone is least when all images get one and the same class. With β = 1 the loss is the
 * negative mutual information of image and predicted class ("information maximisation": Krause, Perona
 * and Gomes 2010; Liang, Hu and Feng 2020), which rules that out.
 */
export function adaptationStep(model: MergedModel, shape: StepShape): Program {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, shape.tasks * shape.batch));
  const { features, routing } = model.encode(g, images, {
    reduction: shape.reduction,
    groups: shape.tasks,
  });
  const { diversity = 0 } = shape;
  const { p, logP } = predictions(g, features, shape, featureSize(model.config));
  const entropy = g.unary('neg', g.scale(g.sum(g.mul(p, logP), [1, 2]), 1 / shape.batch));
  const objective =
    shape.objective === 'distillation' ? divergence(g, logP, shape) : g.sum(entropy, [0]);
  const loss =
    diversity === 0
      ? objective
      : g.sub(objective, g.scale(g.sum(marginalEntropy(g, p), [0]), diversity));
  const forward = g.build('adaptation step', {
    loss,
    entropy,
    ...Object.fromEntries(routing.map((lambdas, layer) => [routingName(layer), lambdas])),
  });
  return gradient(forward, {
    of: 'loss',
    withRespectTo: model.trainables.map(({ name }) => name),
  });
}

/** Probabilities of the classes and their logarithms, both [T, B, C]. */
function predictions(
  g: Builder,
  features: Value,
  shape: StepShape,
  width: number,
): { p: Value; logP: Value } {
  const { tasks, batch, classes } = shape;
  const heads = g.input('heads', [tasks, classes, width]);
  const mask = g.input('mask', [tasks, 1, classes]);
  const stacked = g.reshape(normalise(g, features), [tasks, batch, width]);
  const logits = g.add(g.matmul(stacked, heads, { transposeRight: true }), mask);
  return { p: g.softmax(logits), logP: g.logSoftmax(logits) };
}

/** Σ over tasks of the mean KL(targets ‖ predictions) of their images; classes of target 0 add 0. */
function divergence(g: Builder, logP: Value, { tasks, batch, classes }: StepShape): Value {
  const targets = g.input('targets', [tasks, batch, classes]);
  const known = g.unary('log', g.add(targets, g.fill(1e-12)));
  return g.scale(g.sum(g.mul(targets, g.sub(known, logP)), [0, 1, 2]), 1 / batch);
}

/** H of the mean prediction of each task's images, [T]; a class that no image is given adds 0. */
function marginalEntropy(g: Builder, p: Value): Value {
  const mean = g.mean(p, [1]);
  const terms = g.mul(mean, g.unary('log', g.add(mean, g.fill(1e-12))));
  return g.unary('neg', g.sum(terms, [1]));
}
