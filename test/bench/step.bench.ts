/**
 * One task's step of WEMoE at CLIP ViT-B/32 size (8 experts, 16 images, routers of two layers; a whole step of 8 tasks
 * is eight of these), for every engine asked for and for PyTorch, one after another in processes of their own:
 *   npx tsx test/bench/step.bench.ts [--engines all|onnx,tfjs-wasm] [--reductions batch-mean,per-sample]
 *     [--python PYTHON] [--variants fusion_bench,plain] [--steps 3] [--rounds 1] [--threads N] [--breakdown]
 *     [--ablate] [--without narrow,fused-rows] [--storage fp32,fp16] [--layers 12] [--batch 16] [--experts 8]
 *     [--slow-layers 1] [--slow-batch 1] [--limit 40]
 * PYTHON has torch, transformers, safetensors and, for its variant, fusion-bench. `--ablate` adds the ONNX engine
 * without each of its optimisations. Weights, images and heads are the same for all, so their entropies and gradients
 * must be. The peak is a product of 2048×2048 matrices in the same process. Processor seconds are those of all
 * threads: on a machine that others use too they say more than the clock. Where there is no card, WebGPU computes on
 * SwiftShader; it and the reference get a model of fewer blocks and fewer images, and the ONNX engine is run with as many.
 * No step begins after `--limit` seconds of steps. An engine that fails says why in its row.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stepForward } from '../../main/adaptation/objective.ts';
import { storages } from '../../main/engine/engine.ts';
import { onnxOptimisations } from '../../main/engine/onnx/compilation.ts';
import { engineListingIds, type EngineListingId } from '../../main/engine/registry.ts';
import { gradient } from '../../main/graph/gradient.ts';
import type { Reduction } from '../../main/models/merged-model.ts';
import type { ChildOptions } from './step-child.ts';
import {
  engineContender,
  pythonContender,
  run,
  writeForPython,
  type Contender,
  type Line,
} from './step-contenders.ts';
import { productOperations, shapesOfWemoe, type StepSize } from './step-model.ts';

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
    'slow-layers': { type: 'string', default: '1' },
    'slow-batch': { type: 'string', default: '1' },
    limit: { type: 'string', default: '40' },
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

const columns =
  's/task processor-s GFLOP GFLOP/s of-peak of-peak-cpu memory-GiB entropy |gradient|';
const row = (title: string, cells: readonly string[], notes: readonly string[] = []) => {
  const note = notes.length === 0 ? '' : `  ${notes.join('; ')}`;
  console.log(title.padEnd(28) + cells.map((cell) => cell.padStart(12)).join('') + note);
};

interface Outcome {
  readonly seconds: number;
  readonly processor: number;
}

/** Prints the row of a contender; `operations` is what its step computes. */
function report(title: string, lines: readonly Line[], operations: number): Outcome {
  const all = lines.filter(({ seconds }) => seconds !== undefined);
  const runs = all.length > 1 ? all.slice(1) : all;
  const least = (pick: (line: Line) => number | undefined) =>
    Math.min(...runs.map((line) => pick(line) ?? Infinity));
  const [seconds, processor] = [least((l) => l.seconds), least((l) => l.processor)];
  const peaks = lines.flatMap(({ gflops }) => (gflops === undefined ? [] : [gflops]));
  const peak = (index: 0 | 1) => Math.max(...peaks.map((pair) => pair[index]));
  const share = (time: number, index: 0 | 1) =>
    `${((100 * operations) / time / 1e9 / peak(index)).toFixed(0)} %`;
  const memory = Math.max(...lines.map(({ peakKibibytes }) => peakKibibytes ?? 0)) / 2 ** 20;
  const { loss = Number.NaN, gradient = Number.NaN } = runs[0] ?? {};
  const own = sizeText(sizeOf(lines));
  const small = lines.find(({ peakOf = 2048 }) => peakOf < 2048)?.peakOf;
  row(
    title,
    [
      seconds.toFixed(2),
      processor.toFixed(2),
      (operations / 1e9).toFixed(0),
      (operations / seconds / 1e9).toFixed(operations / seconds < 1e10 ? 2 : 0),
      share(seconds, 0),
      share(processor, 1),
      memory.toFixed(2),
      loss.toFixed(5),
      gradient.toFixed(5),
    ],
    [
      ...(lines.some(({ software }) => software === true) ? ['a card in software'] : []),
      ...(own === headline ? [] : [own]),
      ...(all.length === 1 ? ['its first step'] : []),
      ...(small === undefined ? [] : [`peak of ${small}×${small}`]),
    ],
  );
  return { seconds, processor };
}

function sizeOf(lines: readonly Line[]): StepSize {
  return lines.find((line) => line.size !== undefined)?.size ?? size;
}

function sizeText({ layers, batch }: StepSize): string {
  const plural = (count: number, one: string) => `${count} ${one}${count === 1 ? '' : 's'}`;
  return `${plural(layers, 'block')}, ${plural(batch, 'image')}`;
}

const headline = sizeText(size);

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

/** Runs a contender and prints its row; undefined where it failed. */
async function show(contender: Contender, whole: number): Promise<Result | undefined> {
  try {
    const lines = await run(contender);
    const own = lines.find((line) => line.operations !== undefined)?.operations;
    const outcome = report(contender.title, lines, own ?? whole);
    printBreakdown(lines);
    return { outcome, size: sizeOf(lines) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.log(`${contender.title.padEnd(28)} ${reason}`);
    return undefined;
  }
}

interface Result {
  readonly outcome: Outcome;
  readonly size: StepSize;
}

async function compare(reduction: Reduction, folder: string): Promise<void> {
  console.log(`\n${reduction}`);
  row('', columns.split(' '));
  const common = { reduction, size, threads, steps, limit: Number(options.limit) };
  const engine = (id: EngineListingId, changes: Partial<ChildOptions> = {}) =>
    engineContender({
      engine: id,
      ...common,
      slow: { layers: Number(options['slow-layers']), batch: Number(options['slow-batch']) },
      breakdown: options.breakdown,
      without: words(options.without),
      storage: 'fp32',
      ...changes,
    });
  const { python } = options;
  const contenders = [
    ...engineIds().flatMap((id) =>
      storages
        .filter((storage) => words(options.storage).includes(storage))
        .map((storage) => engine(id, { storage })),
    ),
    ...(options.ablate ? ['narrow', ...onnxOptimisations] : []).map((left) =>
      engine('onnx', { without: [...words(options.without), left] }),
    ),
    ...(python === undefined
      ? []
      : words(options.variants).map((variant) =>
          pythonContender({ python, folder, variant, ...common }),
        )),
  ];
  // PyTorch computes the step as it is written, with nothing narrowed.
  const whole = wholeOperations(reduction);
  let first: Outcome | undefined;
  const smaller = new Map<string, StepSize>();
  for (const contender of contenders) {
    const result = await show(contender, whole);
    if (result === undefined) continue;
    const text = sizeText(result.size);
    if (text !== headline) smaller.set(text, result.size);
    else if (first === undefined) first = result.outcome;
    else {
      const ratio = (pick: (o: Outcome) => number) =>
        (pick(result.outcome) / pick(first ?? result.outcome)).toFixed(2);
      console.log(
        `    ${ratio((o) => o.seconds)}× the time of the first row, ` +
          `${ratio((o) => o.processor)}× its processor time`,
      );
    }
  }
  for (const less of smaller.values()) await show(engine('onnx', { size: less }), whole);
}

function engineIds(): readonly EngineListingId[] {
  if (options.engines === 'all') return engineListingIds;
  return words(options.engines).map((name) => {
    const id = engineListingIds.find((known) => known === name);
    if (id === undefined)
      throw new Error(`no engine ${name}; there are ${engineListingIds.join()}`);
    return id;
  });
}

function wholeOperations(reduction: Reduction): number {
  const { batch, classes } = size;
  const model = shapesOfWemoe(size);
  const forward = stepForward(model, { tasks: 1, batch, classes, reduction });
  const withRespectTo = model.trainables.map(({ name }) => name);
  return productOperations(gradient(forward, { of: 'loss', withRespectTo }));
}

async function main(): Promise<void> {
  console.log(`ViT-B/32, ${headline}, K = ${size.experts}, l = 2, ${threads} threads`);
  const folder = await mkdtemp(join(tmpdir(), 'mergewright-step-'));
  try {
    if (options.python !== undefined) await writeForPython(folder, size);
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const reduction of words(options.reductions))
        await compare(reduction as Reduction, folder);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
