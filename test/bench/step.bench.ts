/**
 * One task's step of WEMoE at CLIP ViT-B/32 size (8 experts, 16 images, routers of two layers; a whole step of 8 tasks
 * is eight of these), for every engine asked for and for PyTorch, one after another in processes of their own:
 *   npx tsx test/bench/step.bench.ts [--engines onnx,tfjs-wasm] [--reductions batch-mean,per-sample]
 *     [--python PYTHON] [--variants fusion_bench,plain] [--steps 3] [--rounds 1] [--threads N] [--breakdown]
 *     [--ablate] [--without narrow,fused-rows] [--storage fp32,fp16] [--layers 12] [--batch 16] [--experts 8]
 * PYTHON has torch, transformers, safetensors and, for its variant, fusion-bench. `--ablate` adds the ONNX engine
 * without each of its optimisations. Weights, images and heads are the same for all, so their entropies and gradients
 * must be. The peak is a product of 2048×2048 matrices in the same process. Processor seconds are those of all
 * threads: on a machine that others use too they say more than the clock.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { stepForward } from '../../main/adaptation/objective.ts';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import { storages, type Storage } from '../../main/engine/engine.ts';
import { onnxOptimisations } from '../../main/engine/onnx/compilation.ts';
import { engineListingIds } from '../../main/engine/registry.ts';
import { gradient } from '../../main/graph/gradient.ts';
import type { Reduction } from '../../main/models/merged-model.ts';
import { formatVisionConfig } from '../../main/models/vision-config.ts';
import type { ChildOptions } from './step-child.ts';
import {
  productOperations,
  randomWemoe,
  shapesOfWemoe,
  stepInputs,
  type StepSize,
} from './step-model.ts';

const { values: options } = parseArgs({
  options: {
    engines: { type: 'string', default: 'onnx' },
    reductions: { type: 'string', default: 'batch-mean,per-sample' },
    python: { type: 'string' },
    variants: { type: 'string', default: 'fusion_bench,plain' },
    steps: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(availableParallelism()) },
    breakdown: { type: 'boolean', default: false },
    ablate: { type: 'boolean', default: false },
    without: { type: 'string', default: '' },
    storage: { type: 'string', default: 'fp32' },
    layers: { type: 'string', default: '12' },
    batch: { type: 'string', default: '16' },
    experts: { type: 'string', default: '8' },
  },
});
const words = (list: string) => list.split(',').filter((word) => word !== '');
const size: StepSize = {
  layers: Number(options.layers),
  experts: Number(options.experts),
  batch: Number(options.batch),
  classes: 397,
};
const threads = Number(options.threads);
const steps = Number(options.steps);

/** What a process says of itself, line by line. */
interface Line {
  readonly gflops?: readonly [clock: number, processor: number];
  readonly operations?: number;
  readonly seconds?: number;
  readonly processor?: number;
  readonly loss?: number;
  readonly gradient?: number;
  readonly peakKibibytes?: number;
  readonly breakdown?: Readonly<Record<string, number>>;
}

interface Contender {
  readonly title: string;
  readonly command: readonly [string, ...string[]];
}

function engineContender(
  engine: string,
  reduction: Reduction,
  without: string[],
  storage: Storage = 'fp32',
): Contender {
  const id = engineListingIds.find((known) => known === engine);
  if (id === undefined)
    throw new Error(`no engine ${engine}; there are ${engineListingIds.join()}`);
  const given: ChildOptions = {
    engine: id,
    reduction,
    size,
    threads,
    steps,
    breakdown: options.breakdown,
    without,
    storage,
  };
  const file = join(import.meta.dirname, 'step-child.ts');
  return {
    title: [
      engine,
      ...(storage === 'fp32' ? [] : [storage]),
      ...without.map((name) => `− ${name}`),
    ].join(' '),
    command: [process.execPath, '--import', 'tsx', file, JSON.stringify(given)],
  };
}

function pythonContender(folder: string, variant: string, reduction: Reduction): Contender {
  const file = join(import.meta.dirname, 'step_reference.py');
  const last = [String(threads), String(steps + 1)];
  return {
    title: `PyTorch, ${variant}`,
    command: [options.python ?? '', file, folder, variant, reduction, ...last],
  };
}

/** The same model and inputs for the reference. */
async function writeForPython(folder: string): Promise<void> {
  const model = randomWemoe(size);
  const all = [...model.constants, ...Object.entries(stepInputs(model, size))];
  await writeSafetensors(
    join(folder, 'tensors.safetensors'),
    all.map(([name, { shape, data }]) => ({ name, shape, data, dtype: 'F32' as const })),
  );
  const { batch, experts } = size;
  const config = formatVisionConfig(model.config);
  await writeFile(join(folder, 'step.json'), JSON.stringify({ config, batch, experts }));
}

async function run({ command: [program, ...args] }: Contender): Promise<Line[]> {
  const threadCount = { OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) };
  const child = spawn(program, args, { env: { ...process.env, ...threadCount } });
  const lines: Line[] = [];
  let errors = '';
  child.stderr.on('data', (text: Buffer) => (errors = (errors + String(text)).slice(-2000)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('close', resolve);
    child.on('error', reject);
  });
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line);
  }
  const code = await ended;
  if (code !== 0)
    throw new Error(`ended with ${String(code)}: ${errors.trim().split('\n').at(-1) ?? ''}`);
  return lines;
}

const columns =
  's/task processor-s GFLOP GFLOP/s of-peak of-peak-cpu memory-GiB entropy |gradient|';
const row = (title: string, cells: readonly string[]) =>
  console.log(title.padEnd(34) + cells.map((cell) => cell.padStart(13)).join(''));

interface Outcome {
  readonly seconds: number;
  readonly processor: number;
}

/** Prints the row of a contender; `operations` is what its step computes. */
function report(title: string, lines: readonly Line[], operations: number): Outcome {
  const runs = lines.filter(({ seconds }) => seconds !== undefined).slice(1);
  const least = (pick: (line: Line) => number | undefined) =>
    Math.min(...runs.map((line) => pick(line) ?? Infinity));
  const [seconds, processor] = [least((l) => l.seconds), least((l) => l.processor)];
  const peaks = lines.flatMap(({ gflops }) => (gflops === undefined ? [] : [gflops]));
  const peak = (index: 0 | 1) => Math.max(...peaks.map((pair) => pair[index]));
  const share = (time: number, index: 0 | 1) =>
    `${((100 * operations) / time / 1e9 / peak(index)).toFixed(0)} %`;
  const memory = Math.max(...lines.map(({ peakKibibytes }) => peakKibibytes ?? 0)) / 2 ** 20;
  const { loss = Number.NaN, gradient = Number.NaN } = runs[0] ?? {};
  row(title, [
    seconds.toFixed(2),
    processor.toFixed(2),
    (operations / 1e9).toFixed(0),
    (operations / seconds / 1e9).toFixed(0),
    share(seconds, 0),
    share(processor, 1),
    memory.toFixed(2),
    loss.toFixed(5),
    gradient.toFixed(5),
  ]);
  return { seconds, processor };
}

function printBreakdown(lines: readonly Line[]): void {
  for (const { breakdown } of lines) {
    if (breakdown === undefined) continue;
    const total = Object.values(breakdown).reduce((sum, part) => sum + part, 0);
    for (const [part, seconds] of Object.entries(breakdown).toSorted((a, b) => b[1] - a[1])) {
      const share = `${((100 * seconds) / total).toFixed(1)} %`;
      console.log(`    ${part.padEnd(40)}${seconds.toFixed(3).padStart(8)} s${share.padStart(9)}`);
    }
  }
}

async function compare(reduction: Reduction, folder: string): Promise<void> {
  console.log(`\n${reduction}`);
  row('', columns.split(' '));
  const without = words(options.without);
  const ablated = options.ablate ? ['narrow', ...onnxOptimisations].map((name) => [name]) : [];
  const contenders = [
    ...words(options.engines).flatMap((engine) =>
      storages
        .filter((storage) => words(options.storage).includes(storage))
        .map((storage) => engineContender(engine, reduction, without, storage)),
    ),
    ...ablated.map((left) => engineContender('onnx', reduction, [...without, ...left])),
    ...(options.python === undefined ? [] : words(options.variants)).map((variant) =>
      pythonContender(folder, variant, reduction),
    ),
  ];
  // PyTorch computes the step as it is written, with nothing narrowed.
  const whole = wholeOperations(reduction);
  let first: Outcome | undefined;
  for (const contender of contenders) {
    try {
      const lines = await run(contender);
      const own = lines.find((line) => line.operations !== undefined)?.operations;
      const outcome = report(contender.title, lines, own ?? whole);
      printBreakdown(lines);
      if (first === undefined) first = outcome;
      else {
        const ratio = (pick: (o: Outcome) => number) =>
          (pick(outcome) / pick(first ?? outcome)).toFixed(2);
        console.log(
          `    ${ratio((o) => o.seconds)}× the time of the first row, ` +
            `${ratio((o) => o.processor)}× its processor time`,
        );
      }
    } catch (error) {
      console.log(`${contender.title.padEnd(34)} ${error instanceof Error ? error.message : ''}`);
    }
  }
}

function wholeOperations(reduction: Reduction): number {
  const { batch, classes } = size;
  const model = shapesOfWemoe(size);
  const forward = stepForward(model, { tasks: 1, batch, classes, reduction });
  const withRespectTo = model.trainables.map(({ name }) => name);
  return productOperations(gradient(forward, { of: 'loss', withRespectTo }));
}

async function main(): Promise<void> {
  console.log(
    `ViT-B/32 of ${size.layers} blocks, K = ${size.experts}, l = 2, ${size.batch} images, ${threads} threads`,
  );
  const folder = await mkdtemp(join(tmpdir(), 'mergewright-step-'));
  try {
    if (options.python !== undefined) await writeForPython(folder);
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const reduction of words(options.reductions))
        await compare(reduction as Reduction, folder);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
