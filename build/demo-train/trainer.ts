/** Supervised training on the product's own graphs and engines: AdamW, warm-up and cosine decay. */
import { adamUpdate, createAdam } from '../../main/adaptation/adam.ts';
import { createOnnxEngine } from '../../main/engine/onnx/engine.ts';
import type { Normalisation, PixelStore } from '../../main/data/images.ts';
import { Builder } from '../../main/graph/builder.ts';
import { gradient, gradientName } from '../../main/graph/gradient.ts';
import type { Shape } from '../../main/graph/program.ts';
import { permutation, randomStream } from '../../main/lib/random.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import { normalise } from '../../main/models/head.ts';
import type { VisionConfig } from '../../main/models/vision-config.ts';
import { encodeImages, imageShape, visionTensors } from '../../main/models/vit.ts';
import { writeView, type Augmentation } from './augment.ts';

export interface TrainingSet {
  readonly stores: readonly PixelStore[];
  /** (store, image, class) triples, flattened. */
  readonly examples: Uint32Array;
  readonly classCount: number;
}

export interface TrainingOptions {
  readonly key: string;
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Factor on the learning rate of one tensor; 1 when left out. */
  readonly rateFactor?: (name: string) => number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly augmentation: Augmentation;
  readonly normalisation: Normalisation;
  /** Classifier rows [classes, d]; trained when `trainHead`, else frozen. */
  readonly head: Tensor;
  readonly trainHead: boolean;
  readonly logitScale: number;
  readonly threads: number;
  readonly onStep?: (
    step: number,
    loss: number,
    weights: Map<string, Tensor>,
  ) => Promise<void> | void;
}

const headName = 'classifier';

/** Cross-entropy of logits s·⟨v/‖v‖, w/‖w‖⟩ (w frozen: used as it is); returns the trained weights. */
export async function train(
  config: VisionConfig,
  initial: ReadonlyMap<string, Tensor>,
  set: TrainingSet,
  options: TrainingOptions,
): Promise<{ weights: Map<string, Tensor>; head: Tensor }> {
  const { batch, steps, head, trainHead } = options;
  const weights = new Map(
    [...initial].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
  if (trainHead) weights.set(headName, { shape: head.shape, data: head.data.slice() });
  const names = [...weights.keys()];
  const program = trainingStep(config, set.classCount, head.shape, options);
  const engine = createOnnxEngine({ threads: options.threads });
  const executable = await engine.compile(
    gradient(program, { of: 'loss', withRespectTo: names }),
    trainHead ? new Map() : new Map([[headName, head]]),
  );
  const adam = createAdam(new Map([...weights].map(([name, { data }]) => [name, data.length])));
  const images = {
    shape: imageShape(config, batch),
    data: new Float32Array(batch * 3 * config.imageSize ** 2),
  };
  const targets = {
    shape: [batch, set.classCount],
    data: new Float32Array(batch * set.classCount),
  };
  for (let step = 1; step <= steps; step++) {
    fillBatch(set, options, step, images.data, targets.data);
    const results = await executable.run({ images, targets, ...Object.fromEntries(weights) });
    const scheduled = options.learningRate * schedule(step, steps);
    for (const [name, { shape, data }] of weights) {
      const learningRate = scheduled * (options.rateFactor?.(name) ?? 1);
      const slope = results[gradientName(name)]?.data ?? new Float32Array(data.length);
      adamUpdate(adam, name, data, slope, { step, learningRate });
      if (shape.length > 1 && options.weightDecay > 0) {
        const keep = 1 - learningRate * options.weightDecay;
        for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) * keep;
      }
    }
    await options.onStep?.(step, results['loss']?.data[0] ?? Number.NaN, weights);
  }
  await executable.dispose();
  const trainedHead = weights.get(headName) ?? head;
  weights.delete(headName);
  return { weights, head: trainedHead };
}

function trainingStep(
  config: VisionConfig,
  classCount: number,
  headShape: Shape,
  { batch, trainHead, logitScale }: TrainingOptions,
) {
  const g = new Builder();
  const shapes = visionTensors(config);
  const images = g.input('images', imageShape(config, batch));
  const features = encodeImages(g, config, images, (name) => g.input(name, shapes.get(name) ?? []));
  const head = trainHead
    ? normalise(g, g.input(headName, headShape))
    : g.constant(headName, headShape);
  const logits = g.scale(
    g.matmul(normalise(g, features), head, { transposeRight: true }),
    logitScale,
  );
  const targets = g.input('targets', [batch, classCount]);
  const loss = g.scale(g.sum(g.mul(targets, g.logSoftmax(logits)), [0, 1]), -1 / batch);
  return g.build('training step', { loss });
}

/** Linear warm-up over 5 % of the steps, then half a cosine to 0. */
function schedule(step: number, steps: number): number {
  const warm = Math.max(1, Math.round(0.05 * steps));
  if (step < warm) return step / warm;
  return 0.5 * (1 + Math.cos((Math.PI * (step - warm)) / Math.max(1, steps - warm)));
}

const orders = new WeakMap<TrainingSet, { epoch: number; order: Uint32Array }>();

function fillBatch(
  set: TrainingSet,
  { key, batch, augmentation, normalisation, labelSmoothing }: TrainingOptions,
  step: number,
  images: Float32Array,
  targets: Float32Array,
): void {
  const count = set.examples.length / 3;
  const random = randomStream(key, 'views', step);
  targets.fill(labelSmoothing / set.classCount);
  for (let i = 0; i < batch; i++) {
    const position = (step - 1) * batch + i;
    const epoch = Math.floor(position / count);
    let current = orders.get(set);
    if (current?.epoch !== epoch) {
      current = { epoch, order: permutation(randomStream(key, 'epoch', epoch), count) };
      orders.set(set, current);
    }
    const example = (current.order[position % count] ?? 0) * 3;
    const store = set.stores[set.examples[example] ?? 0];
    if (store === undefined) throw new Error('example without a store');
    const offset = (i * images.length) / batch;
    writeView(
      store,
      set.examples[example + 1] ?? 0,
      { augmentation, normalisation },
      random,
      images,
      offset,
    );
    const label = i * set.classCount + (set.examples[example + 2] ?? 0);
    targets[label] = (targets[label] ?? 0) + 1 - labelSmoothing;
  }
}
