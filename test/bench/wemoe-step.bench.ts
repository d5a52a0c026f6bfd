/**
 * One adaptation step of WEMoE at CLIP ViT-B/32 size: `npx tsx test/bench/wemoe-step.bench.ts`
 * [--batch 16] [--experts 8] [--steps 3] [--threads N] [--reduction batch-mean]. Random weights, routers of two layers,
 * one task in a call. Prints the time of a step, its GFLOP/s, the share of the matrix-product peak
 * measured in the same run, and the most memory the process ever had.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { dictionaryName } from '../../main/adaptation/dictionary.ts';
import { adaptationStep } from '../../main/adaptation/objective.ts';
import { initialRouters } from '../../main/adaptation/router.ts';
import { assembleWemoe, wemoeSizes } from '../../main/adaptation/wemoe.ts';
import { measureGflops } from '../../main/engine/benchmark.ts';
import { createOnnxEngine } from '../../main/engine/onnx/engine.ts';
import { elementCount, type Tensor } from '../../main/lib/tensor.ts';
import { initialValues, type MergedModel, type Reduction } from '../../main/models/merged-model.ts';
import {
  parseVisionConfig,
  tokenCount,
  type VisionConfig,
} from '../../main/models/vision-config.ts';
import { imageShape, mlpTensors, visionTensors } from '../../main/models/vit.ts';

const { values: options } = parseArgs({
  options: {
    batch: { type: 'string', default: '16' },
    experts: { type: 'string', default: '8' },
    steps: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(availableParallelism()) },
    reduction: { type: 'string', default: 'batch-mean' },
  },
});
const batch = Number(options.batch);
const expertCount = Number(options.experts);
const threads = Number(options.threads);
const reduction = options.reduction as Reduction;
const classes = 397;
const depth = 2;
const lambda = 0.3;
const config = parseVisionConfig({ model_type: 'clip' }, { where: 'ViT-B/32', projected: false });
const router = { depth, hiddenSize: config.hiddenSize, expertCount, shared: false } as const;

let seed = 1;
/** Uniform in ±`range`; a product generator, as billions of numbers are drawn. */
function random(shape: readonly number[], range: number): Tensor {
  const data = new Float32Array(elementCount(shape));
  for (let i = 0; i < data.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    data[i] = (seed / 2 ** 31) * range;
  }
  return { shape, data };
}

/** As `createWemoe` makes it, but without a base and experts to make it from. */
function randomWemoe(): MergedModel {
  const constants = new Map<string, Tensor>();
  for (const [name, shape] of visionTensors(config)) {
    const tensor = random(shape, 0.04);
    const scale = name.includes('norm') && name.endsWith('.weight');
    constants.set(name, scale ? { shape, data: tensor.data.fill(1) } : tensor);
  }
  for (let layer = 0; layer < config.layerCount; layer++) {
    for (const name of mlpTensors(layer)) {
      const size = elementCount(visionTensors(config).get(name)!);
      constants.set(dictionaryName(name), random([expertCount, size], 0.004));
    }
  }
  const trainables = initialRouters(config.layerCount, router, { lambda, seed: 1 });
  return assembleWemoe({ config, constants, trainables, router });
}

/** Floating-point operations of a step that its formulas need (two for a multiply-add). */
function usefulFlops({
  hiddenSize: d,
  intermediateSize: f,
  layerCount,
  ...rest
}: VisionConfig): number {
  const n = tokenCount({ hiddenSize: d, intermediateSize: f, layerCount, ...rest });
  const attention = 8 * d * d * n + 4 * n * n * d;
  const mlp = 4 * d * f * n;
  const router = 2 * n * d * d + 2 * d * expertCount;
  const embedding = 2 * (n - 1) * d * rest.channelCount * rest.patchSize ** 2;
  const forward = embedding + layerCount * (attention + mlp + router);
  // Backward: to the activations of every block but the first attention; to MLP weights and routers.
  const scores = 4 * n * n * d;
  const toActivations = (layerCount - 1) * (attention + scores) + layerCount * (mlp + router);
  const toWeights = layerCount * (mlp + router);
  const merges = reduction === 'per-sample' ? batch : 1;
  const parameters = layerCount * (2 * d * f + f + d);
  // Merging and the gradient of λ: one multiply-add for every entry of the dictionary each.
  return batch * (forward + toActivations + toWeights) + merges * 4 * expertCount * parameters;
}

const gibibytes = (kibibytes: number) => `${(kibibytes / 2 ** 20).toFixed(2)} GiB`;
const peakMemory = () => gibibytes(process.resourceUsage().maxRSS);

async function main(): Promise<void> {
  const engine = createOnnxEngine({ threads });
  const { trainable, total } = wemoeSizes(config, router);
  console.log(
    `ViT-B/32, K = ${expertCount}, l = ${depth}: ${total.toLocaleString('en')} parameters, ` +
      `${trainable.toLocaleString('en')} of them trained; batch ${batch}, ${reduction}`,
  );
  console.log(`${engine.description.title}, ${threads} threads`);
  const peaks = [await measureGflops(engine, { size: 2048, seconds: 1 })];

  const model = randomWemoe();
  const step = adaptationStep(model, { tasks: 1, batch, classes, reduction });
  const images = random(imageShape(config, batch), 2);
  const heads = random([1, classes, config.hiddenSize], 4);
  const mask = { shape: [1, 1, classes], data: new Float32Array(classes) };
  const inputs = { images, heads, mask, ...Object.fromEntries(initialValues(model)) };
  console.log(`${step.equations.length} equations; constants made, peak memory ${peakMemory()}`);

  const start = performance.now();
  const executable = await engine.compile(step, model.constants);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`compiled in ${seconds} s, peak memory ${peakMemory()}`);

  const times: number[] = [];
  for (let run = 0; run <= Number(options.steps); run++) {
    const [before, processor] = [performance.now(), process.cpuUsage()];
    const results = await executable.run(inputs);
    times.push((performance.now() - before) / 1000);
    const { user, system } = process.cpuUsage(processor);
    const busy = ((user + system) / 1e6).toFixed(2);
    const entropy = results['loss']?.data[0]?.toFixed(4);
    const label = run === 0 ? 'warm-up' : `step ${run}`;
    console.log(
      `${label.padEnd(8)} ${times.at(-1)!.toFixed(2)} s, processors ${busy} s, entropy ${entropy ?? '?'}`,
    );
  }
  await executable.dispose();
  peaks.push(await measureGflops(engine, { size: 2048, seconds: 1 }));

  const best = Math.min(...times.slice(1));
  const flops = usefulFlops(config);
  const speed = flops / best / 1e9;
  const peak = Math.max(...peaks);
  console.log(`step          ${best.toFixed(2)} s`);
  console.log(`useful work   ${(flops / 1e9).toFixed(0)} GFLOP, ${speed.toFixed(0)} GFLOP/s`);
  console.log(`matrix peak   ${peaks.map((p) => p.toFixed(0)).join(' before, ')} GFLOP/s after`);
  console.log(`share of peak ${((100 * speed) / peak).toFixed(0)} %`);
  console.log(`peak memory   ${peakMemory()}`);
}

await main();
