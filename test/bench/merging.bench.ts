/**
 * How fast the methods merge: `npx tsx test/bench/merging.bench.ts`. A base and eight experts of about
 * 10 M parameters, read from safetensors files. MB/s counts the fp32 values of the nine models once,
 * however often a method reads them.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Checkpoint } from '../../main/checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { writeSafetensors, type OutputDType } from '../../main/checkpoints/writer.ts';
import { mergeToMemory } from '../../main/merging/executor.ts';
import { methods } from '../../main/merging/index.ts';
import { measureTaskVectors } from '../../main/merging/task-vectors.ts';
import { formatVisionConfig, type VisionConfig } from '../../main/models/vision-config.ts';
import { parameterCount } from '../../main/models/vit.ts';
import { randomWeights } from '../unit/merging/in-memory.ts';

const config: VisionConfig = {
  hiddenSize: 384,
  intermediateSize: 1536,
  layerCount: 6,
  headCount: 6,
  imageSize: 32,
  patchSize: 4,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: undefined,
};
const EXPERTS = 8;
const RUNS = 3;
const megabytes = (parameterCount(config) * 4 * (EXPERTS + 1)) / 1e6;

/** The best of a few runs, by the clock and (unmoved by what else the machine does) in processor time. */
async function time(work: () => Promise<void>): Promise<string> {
  const seconds: number[] = [];
  const processor: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    seconds.push((performance.now() - start) / 1000);
    processor.push((user + system) / 1e6);
  }
  const show = (best: number) =>
    `${best.toFixed(2).padStart(6)} s ${(megabytes / best).toFixed(0).padStart(5)} MB/s`;
  return `${show(Math.min(...seconds))}   processor ${show(Math.min(...processor))}`;
}

async function writeModels(folder: string, dtype: OutputDType): Promise<Checkpoint[]> {
  const models: Checkpoint[] = [];
  const base = randomWeights('base', undefined, config);
  for (let index = 0; index <= EXPERTS; index++) {
    const weights = index === 0 ? base : randomWeights(`expert ${index}`, base, config);
    const path = join(folder, `${dtype}-${index}`);
    await mkdir(path);
    await writeFile(join(path, 'config.json'), JSON.stringify(formatVisionConfig(config)));
    await writeSafetensors(
      join(path, 'model.safetensors'),
      [...weights].map(([name, { shape, data }]) => ({ name, dtype, shape, data })),
    );
    models.push(await openCheckpoint(path));
  }
  return models;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mergewright-bench-'));
  try {
    const count = (parameterCount(config) / 1e6).toFixed(1);
    console.log(
      `${EXPERTS + 1} models of ${count} M parameters: ${megabytes.toFixed(0)} MB as fp32`,
    );
    for (const dtype of ['F32', 'F16'] as const) {
      const [base, ...experts] = await writeModels(folder, dtype);
      if (base === undefined) return;
      const reading = await time(async () => {
        for (const model of [base, ...experts]) {
          for (const name of model.tensors.keys()) await model.read(name);
        }
      });
      console.log(`${dtype}  ${'reading alone'.padEnd(16)} ${reading}`);
      for (const method of methods) {
        const speed = await time(async () => {
          await mergeToMemory({ method, seed: 1, base, experts });
        });
        console.log(`${dtype}  ${method.id.padEnd(16)} ${speed}`);
      }
      const vectors = await time(async () => {
        await measureTaskVectors(base, experts);
      });
      console.log(`${dtype}  ${'task vectors'.padEnd(16)} ${vectors}`);
    }
    const peak = process.resourceUsage().maxRSS / 1024;
    console.log(`peak memory ${peak.toFixed(0)} MiB`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

void main();
