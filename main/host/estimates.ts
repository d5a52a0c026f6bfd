/** Time, memory and disk of a run before it begins: from earlier runs where there are, else from one batch. */
import { stat } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Plan } from '../api/merge.ts';
import { openModel } from '../checkpoints/open-model.ts';
import { describeImageSet } from '../data/labelled-set.ts';
import type { Engine } from '../engine/engine.ts';
import { compileEncoder } from '../evaluation/evaluate.ts';
import { zeros } from '../lib/tensor.ts';
import { staticModel } from '../models/merged-model.ts';
import { loadVisionModel, visionArchitecture } from '../models/vision-model.ts';
import { imageShape } from '../models/vit.ts';
import { conditionsOf, earlierTimes, stepsOf } from '../runs/earlier-runs.ts';
import {
  estimateDisk,
  estimateMemory,
  estimateSeconds,
  forwardOperations,
  trainableCount,
  type MethodSeconds,
  type RunShapes,
} from '../runs/estimate.ts';
import { seenTasks } from '../runs/protocol.ts';
import type { Recipe } from '../runs/recipe.ts';
import { engineText } from '../runs/run-start.ts';

export type Estimate = NonNullable<Plan['estimate']>;

/** Operations of the batch that is timed: long enough to tell, short enough to wait for. */
const timedOperations = 4e9;
const mostTimedImages = 64;
/** The fastest counts: what else the machine does at this moment says little about the whole run. */
const timings = 3;

export interface TimeEstimate {
  readonly methods: ReadonlyMap<string, MethodSeconds>;
  readonly basis: string;
}

export class Estimates {
  /** Seconds of one image through a base model, by model and engine. */
  readonly #imageSeconds = new Map<string, number>();

  /** `recipe` has absolute paths. Throws what reading headers and descriptions throws. */
  async estimate(recipe: Recipe, project: string, engine: Engine): Promise<Estimate> {
    const shapes = await shapesOf(recipe);
    const { methods, basis } = await this.#times(recipe, shapes, project, engine);
    const seconds = [...methods.values()].reduce(
      (sum, { prepare, adapt, evaluate }) => sum + prepare + adapt + evaluate,
      0,
    );
    return {
      memoryBytes: estimateMemory(recipe, shapes),
      freeMemoryBytes: freemem(),
      seconds,
      basis,
      trainableParameters: Math.max(...recipe.methods.map((m) => trainableCount(m, shapes))),
      diskBytes: estimateDisk(recipe, shapes),
    };
  }

  /** Seconds of every method of `recipe`, whose paths are absolute. */
  async times(recipe: Recipe, project: string, engine: Engine): Promise<TimeEstimate> {
    return this.#times(recipe, await shapesOf(recipe), project, engine);
  }

  async #times(
    recipe: Recipe,
    shapes: RunShapes,
    project: string,
    engine: Engine,
  ): Promise<TimeEstimate> {
    const earlier = await earlierTimes(project);
    const methods = new Map<string, MethodSeconds>();
    let known = 0;
    for (const entry of recipe.methods) {
      const conditions = conditionsOf(entry, recipe, engine.description);
      const steps = stepsOf(entry);
      const former = earlier.findLast(
        (time) => time.conditions === conditions && time.steps > 0 === steps > 0,
      );
      const computed = estimateSeconds(
        entry,
        recipe,
        shapes,
        await this.#timeImage(recipe, engine),
      );
      if (former === undefined) {
        methods.set(entry.id, computed);
        continue;
      }
      known++;
      const all = former.steps > 0 ? (former.seconds * steps) / former.steps : former.seconds;
      methods.set(entry.id, shareOut(all, computed));
    }
    return { methods, basis: basisOf(known, recipe.methods.length) };
  }

  async #timeImage({ base }: Recipe, engine: Engine): Promise<number> {
    const weights = await stat(join(base, 'model.safetensors')).catch(() => stat(base));
    const key = `${base} ${String(weights.mtimeMs)} ${engineText(engine)}`;
    const known = this.#imageSeconds.get(key);
    if (known !== undefined) return known;
    const checkpoint = await openModel(base);
    try {
      const model = await loadVisionModel(checkpoint);
      const fitting = Math.floor(timedOperations / forwardOperations(model.config));
      const batch = Math.max(1, Math.min(mostTimedImages, fitting));
      const encoder = await compileEncoder(engine, staticModel(model), new Map(), {
        batch,
        reduction: 'per-sample',
      });
      const images = zeros(imageShape(model.config, batch));
      // The first batch also allocates and packs.
      await encoder.encode(images);
      let seconds = Infinity;
      for (let time = 0; time < timings; time++) {
        const began = performance.now();
        await encoder.encode(images);
        seconds = Math.min(seconds, (performance.now() - began) / 1000 / batch);
      }
      await encoder.dispose();
      this.#imageSeconds.set(key, seconds);
      return seconds;
    } finally {
      await checkpoint.close();
    }
  }
}

/** Architecture and image counts from headers and descriptions. */
async function shapesOf(recipe: Recipe): Promise<RunShapes> {
  const base = await openModel(recipe.base);
  try {
    const images: number[] = [];
    const seenImages: number[] = [];
    let imagesInMemory = 0;
    for (const task of recipe.tasks) {
      const { count, tile } = await describeImageSet(task.data);
      images.push(count);
      if (seenTasks(recipe).includes(task)) seenImages.push(count);
      // Others are read batch by batch.
      if (tile !== undefined) imagesInMemory += count;
    }
    return { config: visionArchitecture(base), images, seenImages, imagesInMemory };
  } finally {
    await base.close();
  }
}

/** A measured time in the proportions of a computed one. */
function shareOut(seconds: number, { prepare, adapt, evaluate }: MethodSeconds): MethodSeconds {
  const factor = seconds / (prepare + adapt + evaluate);
  return { prepare: prepare * factor, adapt: adapt * factor, evaluate: evaluate * factor };
}

function basisOf(known: number, methods: number): string {
  const computed =
    'an estimate from one batch that was timed just now; may be off by a factor of two';
  if (known === 0) return computed;
  if (known === methods) return 'measured on earlier runs of this project';
  return `${known} of ${methods} methods measured on earlier runs of this project, the others ${computed}`;
}
