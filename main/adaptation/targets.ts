/** What the experts predict on the images of their own tasks: the targets of distillation. */
import { imageBatch, type ImageSet } from '../data/images.ts';
import type { Engine } from '../engine/engine.ts';
import { Builder } from '../graph/builder.ts';
import type { Program } from '../graph/program.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { oneAhead } from '../lib/one-ahead.ts';
import { normalise, type Head } from '../models/head.ts';
import { staticModel, type MergedModel } from '../models/merged-model.ts';
import type { VisionModel } from '../models/vision-model.ts';
import { imageShape } from '../models/vit.ts';

export interface TargetOptions {
  /** Images per call. */
  readonly batch: number;
  readonly signal?: AbortSignal | undefined;
}

/** Probabilities [images, C] that `expert` gives the classes of its head. Throws CancelledError. */
export async function expertPredictions(
  engine: Engine,
  expert: VisionModel,
  { images, head }: { readonly images: ImageSet; readonly head: Head },
  { batch, signal }: TargetOptions,
): Promise<Float32Array> {
  const model = staticModel(expert);
  const constants = new Map([...model.constants, ['head', head.weight]]);
  const executable = await engine.compile(predictionProgram(model, head, batch), constants);
  const { count } = images.store;
  const classes = head.weight.shape[0] ?? 0;
  const predictions = new Float32Array(count * classes);
  try {
    const batches = oneAhead(Math.ceil(count / batch), (number) => {
      const length = Math.min(batch, count - number * batch);
      return imageBatch(
        images,
        Uint32Array.from({ length }, (_, i) => number * batch + i),
      );
    });
    let done = 0;
    for await (const inputs of batches) {
      throwIfCancelled(signal);
      const { p } = await executable.run({ images: inputs });
      if (p === undefined) throw new Error('the prediction has no result "p"');
      predictions.set(p.data, done);
      done += p.data.length;
    }
  } finally {
    await executable.dispose();
  }
  return predictions;
}

/** `p` [B, C] of `images` [B, c, s, s], for batches of any size. */
function predictionProgram(model: MergedModel, { weight }: Head, batch: number): Program {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, batch), { batch: true });
  const { features } = model.encode(g, images, { reduction: 'per-sample', groups: 1 });
  const head = g.constant('head', weight.shape);
  const logits = g.matmul(normalise(g, features), head, { transposeRight: true });
  return g.build('prediction', { p: g.softmax(logits) });
}
