/**
 * Pre-trains the demo's base encoder on images outside the eight tasks: classification over the union
 * of the pool's classes with a cosine classifier, which is thrown away afterwards.
 *
 * The shipped base took three rounds, the later ones from the weights of the one before with a classifier
 * made of their class prototypes:
 *
 *   npx tsx build/demo-train/pretrain.ts --round 1 --out .cache/demo/models/round-1
 *   npx tsx build/demo-train/pretrain.ts --round 2 --from .cache/demo/models/round-1 --out .cache/demo/models/round-2
 *   npx tsx build/demo-train/pretrain.ts --round 3 --from .cache/demo/models/round-2
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readSpriteSheet } from '../../main/data/sprite-sheet.ts';
import type { PixelStore } from '../../main/data/images.ts';
import { normals, randomStream } from '../../main/lib/random.ts';
import { elementCount, type Tensor } from '../../main/lib/tensor.ts';
import { visionTensors } from '../../main/models/vit.ts';
import { demoConfig, normalisation, pretrainingRounds, seed, trainingFolder } from './settings.ts';
import { encodeAll } from './features.ts';
import { prototypes } from './prototypes.ts';
import { loadModel, saveModel } from './store.ts';
import { train, type TrainingSet } from './trainer.ts';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    batch: { type: 'string', default: '128' },
    round: { type: 'string', default: '1' },
    from: { type: 'string' },
    out: { type: 'string', default: join(trainingFolder, 'models', 'base') },
  },
});

/** Pool sets under .cache/demo/pretraining, their classes numbered one after another. */
async function loadPool(): Promise<TrainingSet> {
  const folder = join(trainingFolder, 'pretraining');
  const stores: PixelStore[] = [];
  const examples: number[] = [];
  let classCount = 0;
  for (const name of (await readdir(folder)).sort()) {
    const set = await readSpriteSheet(join(folder, name, 'train.json'), normalisation);
    const store = stores.push(set.images.store) - 1;
    set.labels.forEach((label, image) => examples.push(store, image, classCount + label));
    classCount += set.classNames.length;
    console.log(
      `${name}: ${String(set.labels.length)} images, ${String(set.classNames.length)} classes`,
    );
  }
  return { stores, examples: Uint32Array.from(examples), classCount };
}

/** Truncation-free version of CLIP's scheme: N(0, 0.02²) embeddings, fan-in scaled projections. */
function initialWeights(): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of visionTensors(demoConfig)) {
    const count = elementCount(shape);
    let data: Float32Array = new Float32Array(count);
    if (name.endsWith('.bias')) data.fill(0);
    else if (/norm\d?\.weight$|layrnorm\.weight$/.test(name)) data.fill(1);
    else {
      const fanIn = elementCount(shape.slice(1));
      const deviation =
        name.includes('embedding') && !name.includes('patch') ? 0.02 : fanIn ** -0.5;
      const residual = /out_proj|fc2/.test(name) ? (2 * demoConfig.layerCount) ** -0.5 : 1;
      data = normals(randomStream(seed, 'initial', name), count, deviation * residual);
    }
    weights.set(name, { shape, data });
  }
  return weights;
}

function randomHead(): Tensor {
  const shape = [pool.classCount, demoConfig.hiddenSize];
  const data = normals(randomStream(seed, 'classifier'), elementCount(shape), headDeviation);
  return { shape, data };
}

/** Prototypes of every pool class in the feature space of `weights`, as long as a random head's rows. */
async function prototypeHead(weights: ReadonlyMap<string, Tensor>): Promise<Tensor> {
  const parts: Tensor[] = [];
  const labels: number[] = [];
  for (const [index, store] of pool.stores.entries()) {
    const model = { config: demoConfig, weights };
    const all = Array.from({ length: store.count }, (_, image) => image);
    const images = { task: String(index), store, normalisation };
    parts.push(await encodeAll(model, images, all, Number(values.threads)));
  }
  for (let i = 2; i < pool.examples.length; i += 3) labels.push(pool.examples[i] ?? 0);
  const width = demoConfig.hiddenSize;
  const features = new Float32Array(labels.length * width);
  let offset = 0;
  for (const { data } of parts) {
    features.set(data, offset);
    offset += data.length;
  }
  const { shape, data } = prototypes(
    { shape: [labels.length, width], data: features },
    labels,
    pool.classCount,
  );
  return { shape, data: data.map((x) => x * headDeviation * Math.sqrt(width)) };
}

/** Small rows turn quickly under Adam, whose steps do not scale with them. */
const headDeviation = 0.02;

const round = pretrainingRounds[Number(values.round) - 1];
if (round === undefined) throw new Error(`no round ${values.round}`);
const pool = await loadPool();
const count = pool.examples.length / 3;
const batch = Number(values.batch);
const steps = Math.round((round.epochs * count) / batch);
console.log(`${String(count)} images, ${String(pool.classCount)} classes, ${String(steps)} steps`);
const started = performance.now();
let mean = 0;
const start = values.from === undefined ? initialWeights() : (await loadModel(values.from)).weights;
const head = values.from === undefined ? randomHead() : await prototypeHead(start);
const { weights } = await train(demoConfig, start, pool, {
  key: `pretrain ${String(seed)} round ${values.round}`,
  steps,
  batch,
  learningRate: round.learningRate,
  weightDecay: 0.05,
  labelSmoothing: 0.05,
  augmentation: round.augmentation,
  normalisation,
  head,
  trainHead: true,
  logitScale: 20,
  threads: Number(values.threads),
  onStep: async (step, loss, current) => {
    mean = step === 1 ? loss : 0.98 * mean + 0.02 * loss;
    if (step % 50 !== 0 && step !== steps) return;
    const seconds = (performance.now() - started) / 1000;
    console.log(
      `step ${String(step)}/${String(steps)} loss ${mean.toFixed(3)} ${(step / seconds).toFixed(2)} steps/s, ${(((steps - step) * (seconds / step)) / 60).toFixed(1)} min left`,
    );
    if (step % 1000 === 0) await saveModel(values.out, demoConfig, current);
  },
});
await saveModel(values.out, demoConfig, weights);
