/** What the experts make of the images of their own tasks: the targets of objectives that follow them. */
import { imageBatch, type ImageSet } from '../data/images.ts';
import type { Engine } from '../engine/engine.ts';
import { compileInRows } from '../engine/in-rows.ts';
import { Builder } from '../graph/builder.ts';
import { narrow } from '../graph/narrow.ts';
import type { Program, Value } from '../graph/program.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { oneAhead } from '../lib/one-ahead.ts';
import type { TensorMap } from '../lib/tensor.ts';
import { normalise, type Head } from '../models/head.ts';
import { staticModel, type MergedModel } from '../models/merged-model.ts';
import type { VisionModel } from '../models/vision-model.ts';
import { imageShape } from '../models/vit.ts';

export interface TargetOptions {
  /** Images per call. */
  readonly batch: number;
  readonly signal?: AbortSignal | undefined;
  /** Told how many images of the set are done. */
  readonly onImages?: (done: number) => void;
}

/** Probabilities [images, C] that `expert` gives the classes of its head. Throws CancelledError. */
export function expertPredictions(
  engine: Engine,
  expert: VisionModel,
  { images, head }: { readonly images: ImageSet; readonly head: Head },
  options: TargetOptions,
): Promise<Float32Array> {
  return outputs(
    engine,
    staticModel(expert),
    images,
    options,
    new Map([['head', head.weight]]),
    (g, features) => {
      const weight = g.constant('head', head.weight.shape);
      return g.softmax(g.matmul(normalise(g, features), weight, { transposeRight: true }));
    },
  );
}

/** Features [images, e] of `expert`, not normalised. Throws CancelledError. */
export function expertFeatures(
  engine: Engine,
  expert: VisionModel,
  images: ImageSet,
  options: TargetOptions,
): Promise<Float32Array> {
  return encodedImages(engine, staticModel(expert), images, options);
}

/** Features [images, e] of a model of which nothing before them learns. Throws CancelledError. */
export function encodedImages(
  engine: Engine,
  model: MergedModel,
  images: ImageSet,
  options: TargetOptions,
): Promise<Float32Array> {
  return outputs(engine, model, images, options, new Map(), (_g, features) => features);
}

/** One row for every image of a set: what `of` makes of its features. */
async function outputs(
  engine: Engine,
  model: MergedModel,
  images: ImageSet,
  { batch, signal, onImages }: TargetOptions,
  extra: TensorMap,
  of: (g: Builder, features: Value) => Value,
): Promise<Float32Array> {
  throwIfCancelled(signal);
  const program = narrow(outputProgram(model, batch, of));
  const constants = new Map([...model.constants, ...extra]);
  const executable = await compileInRows(engine, program, constants);
  const { count } = images.store;
  let rows = new Float32Array();
  try {
    const batches = oneAhead(Math.ceil(count / batch), (number) => {
      const length = Math.min(batch, count - number * batch);
      return imageBatch(
        images,
        Uint32Array.from({ length }, (_, i) => number * batch + i),
      );
    });
    let done = 0;
    let seen = 0;
    for await (const inputs of batches) {
      throwIfCancelled(signal);
      const { rows: found } = await executable.run({ images: inputs });
      if (found === undefined) throw new Error('the program has no result "rows"');
      if (done === 0) rows = new Float32Array(count * (found.shape[1] ?? 0));
      rows.set(found.data, done);
      done += found.data.length;
      seen = Math.min(count, seen + batch);
      onImages?.(seen);
    }
  } finally {
    await executable.dispose();
  }
  return rows;
}

/** `rows` [B, …] of `images` [B, c, s, s], for batches of any size. */
function outputProgram(
  model: MergedModel,
  batch: number,
  of: (g: Builder, features: Value) => Value,
): Program {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, batch), { batch: true });
  const { features } = model.encode(g, images, { reduction: 'per-sample', groups: 1 });
  return g.build('outputs of an expert', { rows: of(g, features) });
}
