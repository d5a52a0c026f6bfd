/**
 * What a run would need, from shapes alone: floating-point work, memory, disk. Time is that work relative
 * to one forward pass through the base model, whose time somebody measures.
 */
import type { ModelSizes } from '../adaptation/sizes.ts';
import { resolveParameters } from '../lib/parameters.ts';
import { elementCount } from '../lib/tensor.ts';
import type { Reduction } from '../models/merged-model.ts';
import { featureSize, tokenCount, type VisionConfig } from '../models/vision-config.ts';
import { visionTensors } from '../models/vit.ts';
import { catalogueEntry } from './catalogue.ts';
import type { Recipe, RecipeMethod } from './recipe.ts';
import { activationBytes, tasksPerCall } from './run-adaptation.ts';
import { storageOf } from './storage.ts';

export interface RunShapes {
  readonly config: VisionConfig;
  /** Images of each task; as many models are loaded as experts. */
  readonly images: readonly number[];
  /** Of the tasks that merges see, where these are not all of them. */
  readonly seenImages?: readonly number[];
  /** Of these, how many lie in memory as long as the run; all of them unless it says so. */
  readonly imagesInMemory?: number;
}

/** Seconds of the parts of a method. */
export interface MethodSeconds {
  /** Merging, or building the dictionary. */
  readonly prepare: number;
  readonly adapt: number;
  readonly evaluate: number;
}

const floatBytes = Float32Array.BYTES_PER_ELEMENT;
const halfBytes = Uint16Array.BYTES_PER_ELEMENT;
/** Forward, and backward to inputs and to weights: two products for each one of the forward pass. */
const stepPasses = 3;
/** Merging weights moves much memory for little arithmetic, so an operation takes longer. */
const memoryBound = 4;
/** Values read, added up and written per second by one merging pass. */
const mergedPerSecond = 1e8;
/** Code, libraries and buffers of the process, with what the garbage collector lets lie. */
const processBytes = 300e6;
/** The engine's arena grows in pieces and leaves gaps. */
const workingSlack = 1.15;

/** Images of each task that has its expert merged, and its images adapted to. */
function seenImages({ images, seenImages: seen = images }: RunShapes): readonly number[] {
  return seen;
}

/** Floating-point operations of one image through a static encoder. */
export function forwardOperations(config: VisionConfig): number {
  const { hiddenSize: d, intermediateSize: m, layerCount, patchSize, channelCount } = config;
  const tokens = tokenCount(config);
  const layer = 2 * tokens * (4 * d * d + 2 * d * m) + 4 * tokens * tokens * d;
  const patches = 2 * (tokens - 1) * channelCount * patchSize ** 2 * d;
  return layerCount * layer + patches + 2 * d * (config.projectionSize ?? 0);
}

/** Values of the whole encoder, and of the MLPs that routers choose weights for. */
export function encoderValues(config: VisionConfig): { whole: number; mlps: number } {
  const whole = [...visionTensors(config).values()].reduce((n, shape) => n + elementCount(shape), 0);
  const { hiddenSize: d, intermediateSize: m, layerCount } = config;
  return { whole, mlps: layerCount * (2 * d * m + d + m) };
}

/** What decides the work of an adaptive method; undefined for the others. */
interface Adaptive {
  readonly steps: number;
  readonly sizes: ModelSizes;
  /** Weight sets merged for a batch of `images` of one task, in adaptation and in evaluation. */
  readonly sets: (images: number) => { readonly adapting: number; readonly evaluating: number };
  /** Work of an image relative to the encoder alone. */
  readonly work: number;
  /** Passes of a step through the encoder: none where it stays as it is, and images are encoded once before. */
  readonly passes: number;
  /** Whether every expert looks at the images of its task first. */
  readonly followsExperts: boolean;
}

function adaptiveShape(entry: RecipeMethod, shapes: RunShapes): Adaptive | undefined {
  const found = catalogueEntry(entry.method);
  if (found.kind !== 'adaptive') return undefined;
  const parameters = resolveParameters(found.method, entry.parameters, entry.id);
  const { steps, reduction, objective } = found.method.settings(parameters);
  const sizes = found.method.sizes(shapes.config, seenImages(shapes).length, parameters);
  const { whole } = encoderValues(shapes.config);
  const work = sizes.passes + sizes.factors / whole;
  const followsExperts = objective === 'distillation' || objective === 'representation';
  const passes = sizes.frozen === true ? 0 : stepPasses;
  const shared = { steps, sizes, work, passes, followsExperts };
  if (reduction === undefined) {
    return { ...shared, sets: () => ({ adapting: 1, evaluating: 0 }) };
  }
  const { router_layers } = parameters as Readonly<Record<string, unknown>>;
  // Without an input, routers of depth 0 give one weight set for everything.
  const sets = (by: Reduction, images: number) =>
    by === 'per-sample' && router_layers !== 0 ? images : 1;
  return {
    ...shared,
    sets: (images) => ({
      adapting: sets(reduction.adaptation, images),
      evaluating: sets(reduction.evaluation, images),
    }),
  };
}

/** Sizes of the model that an adaptive method makes; undefined for the others, which make an ordinary one. */
export function modelSizes(entry: RecipeMethod, shapes: RunShapes): ModelSizes | undefined {
  return adaptiveShape(entry, shapes)?.sizes;
}

/** Numbers that a method learns; 0 for one that learns nothing. */
export function trainableCount(entry: RecipeMethod, shapes: RunShapes): number {
  return adaptiveShape(entry, shapes)?.sizes.trainable ?? 0;
}

/** Images that a merge by statistics looks at, each with a prediction and a gradient at most. */
function statisticsImages(entry: RecipeMethod, shapes: RunShapes): number {
  const found = catalogueEntry(entry.method);
  if (found.kind !== 'statistics') return 0;
  const { images: wanted } = resolveParameters(found.method, entry.parameters, entry.id);
  return seenImages(shapes).reduce((sum, count) => sum + Math.min(count, Number(wanted)), 0);
}

/** Seconds of a method when one image takes `imageSeconds` through the base model. */
export function estimateSeconds(
  entry: RecipeMethod,
  recipe: Pick<Recipe, 'adaptation' | 'evaluation'>,
  shapes: RunShapes,
  imageSeconds: number,
): MethodSeconds {
  const seen = seenImages(shapes);
  const experts = seen.length;
  const images = shapes.images.reduce((sum, count) => sum + count, 0);
  const { whole } = encoderValues(shapes.config);
  const { kind } = catalogueEntry(entry.method);
  const merge = kind === 'reference' ? 0 : (whole * (experts + 1)) / mergedPerSecond;
  const prepare = merge + statisticsImages(entry, shapes) * (1 + stepPasses) * imageSeconds;
  const adaptive = adaptiveShape(entry, shapes);
  if (adaptive === undefined) return { prepare, adapt: 0, evaluate: images * imageSeconds };
  // One merged weight set takes this many forward passes of one image.
  const set =
    (memoryBound * 2 * experts * adaptive.sizes.dictionary) / forwardOperations(shapes.config);
  const { batch } = recipe.adaptation;
  const { work } = adaptive;
  const step = experts * (batch * work + set * adaptive.sets(batch).adapting) * adaptive.passes;
  // Before the first step: by the experts, and by an encoder that learns nothing.
  const before = Number(adaptive.followsExperts) + Number(adaptive.passes === 0);
  const ahead =
    adaptive.steps > 0 ? before * seen.reduce((sum, count) => sum + count, 0) : 0;
  const calls = shapes.images.map((count) => Math.ceil(count / recipe.evaluation.batch));
  const sets = calls.reduce(
    (sum, count) => sum + count * adaptive.sets(recipe.evaluation.batch).evaluating,
    0,
  );
  return {
    prepare,
    adapt: (ahead + adaptive.steps * step) * imageSeconds,
    evaluate: (images * work + set * sets) * imageSeconds,
  };
}

/**
 * Peak memory of the process: what all methods share, and what the largest one needs beside it. Calibrated against
 * peaks that were measured (see the unit test); it is meant to be too high rather than too low.
 */
export function estimateMemory(
  recipe: Pick<Recipe, 'methods' | 'adaptation' | 'evaluation' | 'monitor' | 'engine'>,
  shapes: RunShapes,
): number {
  const { config, images } = shapes;
  const { whole } = encoderValues(config);
  const inMemory = shapes.imagesInMemory ?? images.reduce((sum, count) => sum + count, 0);
  const pixels = inMemory * config.imageSize ** 2 * 3;
  const weights = (images.length + 1) * whole * floatBytes;
  const needed = recipe.methods.map((entry) => {
    const { held, working } = methodMemory(entry, recipe, shapes);
    return held + workingSlack * working;
  });
  return Math.round(processBytes + weights + pixels + Math.max(0, ...needed));
}

/** Bytes of a method: `held` as long as it lasts, `working` while a call of the engine computes. */
interface MethodMemory {
  readonly held: number;
  readonly working: number;
}

function methodMemory(
  entry: RecipeMethod,
  recipe: Pick<Recipe, 'adaptation' | 'evaluation' | 'monitor' | 'engine'>,
  shapes: RunShapes,
): MethodMemory {
  const { config } = shapes;
  const experts = seenImages(shapes).length;
  const { whole } = encoderValues(config);
  const adaptive = adaptiveShape(entry, shapes);
  const evaluating = evaluationBytes(recipe.evaluation.batch, adaptive, config);
  const { kind } = catalogueEntry(entry.method);
  if (kind === 'statistics') return statisticsMemory(config, evaluating);
  if (adaptive === undefined) {
    // The references are evaluated with the weights that were loaded; a merge makes its own.
    const own = kind === 'reference' ? 0 : whole;
    return { held: (own + whole) * floatBytes, working: evaluating };
  }
  const { dictionary, factors, trainable } = adaptive.sizes;
  const { batch } = recipe.adaptation;
  // Ours: the task vectors, and of WEMoE the static part. Where an encoder tensor has a dictionary, W0 is the base's.
  const ours = experts * dictionary + (whole - dictionary) + factors;
  const forward = whole + experts * dictionary + factors;
  const sessions = recipe.monitor === undefined ? forward : 2 * forward;
  // Of fp16 a weight and its task vectors at a time are there in fp32.
  const frozen =
    storageOf(recipe) === 'fp16'
      ? (forward + sessions) * halfBytes + (experts + 1) * config.hiddenSize * config.intermediateSize * floatBytes
      : (ours + sessions) * floatBytes;
  // Value, gradient, two moments, and the best step's copy.
  const learning = 5 * trainable;
  const tasks = tasksPerCall(config, batch, experts);
  const sets = tasks * adaptive.sets(batch).adapting;
  const activations = tasks * adaptive.work * activationBytes(config, batch);
  const step = adaptive.passes === 0 ? 0 : activations + 2 * sets * dictionary * floatBytes;
  // The model's features of all images, and the experts'.
  const features = 2 * featureSize(config) * seenImages(shapes).reduce((sum, n) => sum + n, 0);
  const encoded = adaptive.passes === 0 ? features : 0;
  return {
    held: frozen + (learning + encoded) * floatBytes,
    // The monitor's session keeps what it once needed while the other one computes.
    working: recipe.monitor === undefined ? Math.max(step, evaluating) : step + evaluating,
  };
}

/** Images that RegMean sends through an expert at once; Fisher merging takes one at a time. */
const statisticsBatch = 16;

/** The larger of the two ways to weigh experts: squared gradients, or the Gram matrices of every layer's inputs. */
function statisticsMemory(config: VisionConfig, evaluating: number): MethodMemory {
  const { whole } = encoderValues(config);
  const { hiddenSize: d, intermediateSize: m, layerCount } = config;
  const doubleBytes = Float64Array.BYTES_PER_ELEMENT;
  // The session of the prediction, that of the gradient with the weights packed both ways, the gradient there and here,
  // the result; in fp64 the squares and both sums of the quotient.
  const squares = 6 * whole * floatBytes + 3 * whole * doubleBytes;
  // Inputs of q, k, v (one matrix), of the output and of both layers of the MLP.
  const grams = layerCount * (3 * d * d + m * m);
  // Average and session, the products in fp64; of each Gram matrix what came back, its sum, scaled, and the total.
  const products = 2 * whole * floatBytes + whole * doubleBytes;
  const matrices = grams * (floatBytes + 3 * doubleBytes);
  const forward = activationBytes(config, statisticsBatch) / layerCount;
  return {
    held: Math.max(squares, products + matrices),
    working: Math.max(activationBytes(config, 1), forward, evaluating),
  };
}

/** Of one call without a backward pass: activations of a layer, and its merged weights with the sum they come from. */
function evaluationBytes(
  batch: number,
  adaptive: Adaptive | undefined,
  config: VisionConfig,
): number {
  const merged = adaptive === undefined ? 0 : adaptive.sets(batch).evaluating * adaptive.sizes.dictionary;
  return (activationBytes(config, batch) + 2 * merged * floatBytes) / config.layerCount;
}

/** Bytes of the run folder when the run is done; the saved state on the way is counted. */
export function estimateDisk(recipe: Pick<Recipe, 'methods'>, shapes: RunShapes): number {
  const experts = seenImages(shapes).length;
  const images = shapes.images.reduce((sum, count) => sum + count, 0);
  const { layerCount } = shapes.config;
  const perMethod = recipe.methods.map((entry) => {
    const predictions = images * 12;
    const adaptive = adaptiveShape(entry, shapes);
    if (adaptive === undefined) return predictions;
    const { reduction } = settingsOf(entry);
    const events = adaptive.steps * (160 + 30 * experts);
    const state = 5 * adaptive.sizes.trainable * floatBytes;
    // λ of every image in the method's file and in the run's, and about 50 snapshots in the log.
    const routing =
      reduction === undefined
        ? 0
        : layerCount * experts * (images * 2 * floatBytes + 50 * experts * 20);
    return predictions + events + state + routing;
  });
  return Math.round(perMethod.reduce((sum, bytes) => sum + bytes, 0));
}

function settingsOf(entry: RecipeMethod) {
  const found = catalogueEntry(entry.method);
  if (found.kind !== 'adaptive') throw new Error(`method "${entry.method}" does not adapt`);
  return found.method.settings(resolveParameters(found.method, entry.parameters, entry.id));
}
