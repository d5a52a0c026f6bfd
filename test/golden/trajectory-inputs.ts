/** The models, images and heads of trajectory.py: what the fixtures of several adaptations are made from. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AdaptationTask } from '../../main/adaptation/adapt.ts';
import type { ExpertSet } from '../../main/adaptation/dictionary.ts';
import { openSafetensors } from '../../main/checkpoints/safetensors.ts';
import { imageBatch, shuffledBatch, type Normalisation } from '../../main/data/images.ts';
import { argmax } from '../../main/evaluation/tally.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import type { Head } from '../../main/models/head.ts';
import type { Reduction } from '../../main/models/merged-model.ts';
import { parseVisionConfig } from '../../main/models/vision-config.ts';

interface Golden {
  readonly config: unknown;
  readonly steps: number;
  readonly batch: number;
  readonly lambda: number;
  readonly normalisation: Normalisation;
  readonly cases: readonly GoldenCase[];
}

export interface GoldenCase {
  readonly name: string;
  /** Null for AdaMerging. */
  readonly reduction: Reduction | null;
  readonly learningRate: number;
  /** Numbers of updates after which the values are in the fixture. */
  readonly recorded: readonly number[];
}

const folder = new URL('trajectory/', import.meta.url);
export const golden = JSON.parse(readFileSync(new URL('cases.json', folder), 'utf8')) as Golden;
const { steps, batch, normalisation } = golden;
export const config = parseVisionConfig(golden.config, { where: 'cases.json', projected: false });
/** Of the run: the order of images follows from it. */
export const seed = 5;

/** All tensors of a fixture, by the first part of their names. */
export async function readTensors(path: string): Promise<Map<string, Map<string, Tensor>>> {
  const file = await openSafetensors(
    fileURLToPath(new URL(`${path}.safetensors`, import.meta.url)),
  );
  const parts = new Map<string, Map<string, Tensor>>();
  for (const full of file.tensors.keys()) {
    const [part = '', ...rest] = full.split('/');
    const group = parts.get(part) ?? new Map<string, Tensor>();
    parts.set(part, group.set(rest.join('/'), await file.read(full)));
  }
  await file.close();
  return parts;
}

const inputs = await readTensors('trajectory/inputs');
const part = (name: string) => inputs.get(name) ?? new Map<string, Tensor>();
export const set: ExpertSet = {
  config,
  base: part('base'),
  experts: [part('expert0'), part('expert1'), part('expert2')],
};
export const heads: readonly Head[] = [...part('head')].map(([task, weight]) => ({ task, weight }));

/** A task whose batch of step s holds the fixture's images of step s: they lie where the shuffled order looks. */
export const tasks: readonly AdaptationTask[] = heads.map((head) => {
  const source = part('pixels').get(head.task)!.data;
  const count = steps * batch;
  const bytes = source.length / count;
  const pixels = new Uint8Array(source.length);
  for (let step = 0; step < steps; step++) {
    const places = shuffledBatch([seed, 'adaptation', head.task], count, batch, step);
    places.forEach((place, i) => {
      const start = (step * batch + i) * bytes;
      pixels.set(source.subarray(start, start + bytes), place * bytes);
    });
  }
  const store = { size: config.imageSize, count, pixels };
  return { head, images: { task: head.task, store, normalisation } };
});

/** The images of the first step, task by task. */
export async function firstImages(): Promise<Tensor[]> {
  return Promise.all(
    tasks.map(({ images, head: { task } }) =>
      imageBatch(images, shuffledBatch([seed, 'adaptation', task], steps * batch, batch, 0)),
    ),
  );
}

/** Predicted class of each row of logits [n, classes]. */
export function predictionsOf(logits: Float32Array, classes: number): number[] {
  return Array.from({ length: logits.length / classes }, (_, i) =>
    argmax(logits.subarray(i * classes, (i + 1) * classes)),
  );
}
