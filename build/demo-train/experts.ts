/**
 * Makes the frozen heads from the base model, and fine-tunes one expert per task.
 *
 *   npx tsx build/demo-train/experts.ts [--tasks mnist,kana] [--threads 2] [--everything]
 *
 * A head holds one row per class: the mean of the base model's normalised features of the class's
 * training images, minus the task's mean, normalised; it stands in for CLIP's text embeddings. A fifth
 * of the training groups (fonts, artists, scenes, …) is held out: settings of training, merging and
 * adaptation are chosen on it; with --everything it is trained on as well, once they are. Test images are
 * never read here.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import { readSpriteSheet } from '../../main/data/sprite-sheet.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import {
  demoTasks,
  fineTuning,
  normalisation,
  rateFactor,
  seed,
  trainingFolder,
} from './settings.ts';
import { accuracyOf, encodeAll } from './features.ts';
import { prototypes } from './prototypes.ts';
import { splitByGroup } from './split.ts';
import { loadModel, saveModel } from './store.ts';
import { train } from './trainer.ts';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: demoTasks.join(',') },
    base: { type: 'string', default: join(trainingFolder, 'models', 'base') },
    out: { type: 'string', default: join(trainingFolder, 'models') },
    everything: { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
  },
});

/** Temperature of the cosine logits, CLIP's exp(logit_scale). */
const logitScale = 12;

const base = await loadModel(values.base);
await mkdir(join(values.out, 'heads'), { recursive: true });
for (const task of demoTasks.filter((task) => values.tasks.split(',').includes(task))) {
  const path = join(trainingFolder, 'tasks', task, 'train.json');
  const set = await readSpriteSheet(path, normalisation);
  const [most, held] = splitByGroup(set);
  const trained = values.everything ? [...most, ...held] : most;
  const labels = Int32Array.from(trained, (index) => set.labels[index] ?? 0);
  const head = prototypes(
    await encodeAll(base, set.images, trained, Number(values.threads)),
    labels,
    set.classNames.length,
  );
  const score = async (weights: ReadonlyMap<string, Tensor>, indices: readonly number[]) =>
    accuracyOf(
      await encodeAll({ ...base, weights }, set.images, indices, Number(values.threads)),
      head,
      Int32Array.from(indices, (index) => set.labels[index] ?? 0),
    );
  const before = await score(base.weights, held);
  const started = performance.now();
  const { weights } = await train(
    base.config,
    base.weights,
    {
      stores: [set.images.store],
      examples: Uint32Array.from(trained.flatMap((index) => [0, index, set.labels[index] ?? 0])),
      classCount: set.classNames.length,
    },
    {
      key: `fine-tune ${task} ${String(seed)}`,
      steps: fineTuning.tasks[task].steps,
      batch: 64,
      learningRate: fineTuning.learningRate,
      rateFactor,
      weightDecay: 0,
      labelSmoothing: 0,
      augmentation: fineTuning.tasks[task].augmentation,
      normalisation,
      head: { shape: head.shape, data: head.data.map((x) => x) },
      trainHead: false,
      logitScale,
      threads: Number(values.threads),
      onStep: (step, loss) => {
        if (step % 300 === 0) console.log(`  ${task} step ${String(step)} loss ${loss.toFixed(3)}`);
      },
    },
  );
  const seconds = (performance.now() - started) / 1000;
  const after = await score(weights, held);
  const seen = await score(weights, trained.slice(0, 1000));
  console.log(
    `${task}: ${seconds.toFixed(0)} s, training sample ${seen.toFixed(3)}, held-out groups: base ${before.toFixed(3)}, expert ${after.toFixed(3)}`,
  );
  await saveModel(join(values.out, 'experts', task), base.config, weights);
  await writeSafetensors(
    join(values.out, 'heads', `${task}.safetensors`),
    [
      { name: 'weight', dtype: 'F32', shape: head.shape, data: head.data },
      { name: 'logit_scale', dtype: 'F32', shape: [], data: Float32Array.of(Math.log(logitScale)) },
    ],
    new Map([['task', task]]),
  );
}
