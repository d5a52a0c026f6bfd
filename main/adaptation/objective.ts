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

export interface StepShape {
  /** Tasks whose images one call of the program holds, one after another. */
  readonly tasks: number;
  /** Images of each task. */
  readonly batch: number;
  /** Largest class count among the tasks. */
  readonly classes: number;
  readonly reduction: Reduction;
}

/**
 * Inputs: `images` [T·B, c, s, s], `heads` [T, C, e], `mask` [T, 1, C], and the trainables.
 * Results: `loss` = Σ over tasks of the mean entropy of their images (nats), `entropy` [T],
 * `routing/…` λ of each routed layer, and `gradient/…` of the loss for each trainable.
 */
export function adaptationStep(model: MergedModel, shape: StepShape): Program {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, shape.tasks * shape.batch));
  const { features, routing } = model.encode(g, images, {
    reduction: shape.reduction,
    groups: shape.tasks,
  });
  const entropy = predictionEntropy(g, features, shape, featureSize(model.config));
  const forward = g.build('adaptation step', {
    loss: g.sum(entropy, [0]),
    entropy,
    ...Object.fromEntries(routing.map((lambdas, layer) => [routingName(layer), lambdas])),
  });
  return gradient(forward, {
    of: 'loss',
    withRespectTo: model.trainables.map(({ name }) => name),
  });
}

/** Mean over each task's images of H(p) = −Σc pc log pc, [T]. */
function predictionEntropy(g: Builder, features: Value, shape: StepShape, width: number): Value {
  const { tasks, batch, classes } = shape;
  const heads = g.input('heads', [tasks, classes, width]);
  const mask = g.input('mask', [tasks, 1, classes]);
  const stacked = g.reshape(normalise(g, features), [tasks, batch, width]);
  const logits = g.add(g.matmul(stacked, heads, { transposeRight: true }), mask);
  const terms = g.mul(g.softmax(logits), g.logSoftmax(logits));
  return g.unary('neg', g.scale(g.sum(terms, [1, 2]), 1 / batch));
}
