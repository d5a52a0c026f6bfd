/**
 * What routing per sample costs: `npx tsx test/bench/per-sample.bench.ts` [--batch 16] [--tasks 8]. The time
 * of one adaptation step of WEMoE (l = 2) and of encoding as many images, per sample beside
 * batch-mean, on an encoder of the demo's kind (32×32 pixels) with random weights; and beside a loop
 * that takes the samples of a batch one at a time, as merging their weights in turn would.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { createWemoe } from '../../main/adaptation/wemoe.ts';
import { createOnnxEngine } from '../../main/engine/onnx/engine.ts';
import { compileEncoder } from '../../main/evaluation/evaluate.ts';
import { initialValues } from '../../main/models/merged-model.ts';
import { stepOf } from '../support/adaptation-step.ts';
import { expertSet, randomHead, randomImages } from '../support/tiny-models.ts';

const { values: options } = parseArgs({
  options: {
    batch: { type: 'string', default: '16' },
    tasks: { type: 'string', default: '8' },
  },
});
const [batch, tasks] = [Number(options.batch), Number(options.tasks)];
const config = {
  hiddenSize: 128,
  intermediateSize: 512,
  layerCount: 6,
  headCount: 4,
  imageSize: 32,
  patchSize: 4,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: undefined,
} as const;
const engine = createOnnxEngine({ threads: availableParallelism() });
const model = createWemoe(expertSet(tasks, config), { depth: 2, lambda: 0.3, seed: 1 });
const heads = Array.from({ length: tasks }, (_, k) => randomHead(String(k), 20, config.hiddenSize));
const values = initialValues(model);

/** Milliseconds of the best of a few runs. */
async function best(work: () => Promise<unknown>): Promise<number> {
  let milliseconds = Infinity;
  for (let run = 0; run < 6; run++) {
    const start = performance.now();
    await work();
    milliseconds = Math.min(milliseconds, performance.now() - start);
  }
  return milliseconds;
}

const show = (what: string, milliseconds: number) =>
  console.log(`${what.padEnd(44)} ${milliseconds.toFixed(1).padStart(8)} ms`);

console.log(`${tasks} tasks of ${batch} images, ${engine.description.title}`);
for (const reduction of ['batch-mean', 'per-sample'] as const) {
  const { program, inputs } = stepOf({ model, heads, batch, reduction, values });
  const step = await engine.compile(program, model.constants);
  show(`adaptation step, ${reduction}`, await best(() => step.run(inputs)));
  await step.dispose();
}
{
  const single = {
    model,
    heads: heads.slice(0, 1),
    batch: 1,
    reduction: 'per-sample',
    values,
  } as const;
  const { program, inputs } = stepOf(single);
  const step = await engine.compile(program, model.constants);
  const loop = async () => {
    for (let image = 0; image < tasks * batch; image++) await step.run(inputs);
  };
  show('adaptation step, one sample at a time', await best(loop));
  await step.dispose();
}
const images = randomImages(tasks * batch, config);
for (const reduction of ['batch-mean', 'per-sample'] as const) {
  const encoder = await compileEncoder(engine, model, values, { batch: tasks * batch, reduction });
  show(`encoding, ${reduction}`, await best(() => encoder.encode(images)));
  await encoder.dispose();
}
