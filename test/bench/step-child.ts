/** Measures the step on one engine, in a process of its own so that its memory is known; step.bench.ts starts it. */
import { createOnnxEngine } from '../../main/engine/onnx/engine.ts';
import { onnxOptimisations, type OnnxOptimisation } from '../../main/engine/onnx/compilation.ts';
import type { Engine, Executable, Storage } from '../../main/engine/engine.ts';
import { stored } from '../../main/runs/storage.ts';
import { openEngine, type EngineListingId } from '../../main/engine/registry.ts';
import { adaptationStep, stepForward } from '../../main/adaptation/objective.ts';
import { Builder } from '../../main/graph/builder.ts';
import { gradient } from '../../main/graph/gradient.ts';
import { narrow } from '../../main/graph/narrow.ts';
import type { Tensor } from '../../main/lib/tensor.ts';
import type { Reduction } from '../../main/models/merged-model.ts';
import { productOperations, randomWemoe, stepInputs, type StepSize } from './step-model.ts';
import { profiled } from './step-profile.ts';

export interface ChildOptions {
  readonly engine: EngineListingId;
  readonly reduction: Reduction;
  readonly size: StepSize;
  /** For the reference and a card in software, where that is less. */
  readonly slow: Pick<StepSize, 'layers' | 'batch'>;
  readonly threads: number;
  readonly steps: number;
  /** Seconds after which no further step begins. */
  readonly limit: number;
  readonly breakdown: boolean;
  readonly storage: Storage;
  /** Optimisations to leave out: `narrow` or those of the ONNX engine. */
  readonly without: readonly string[];
}

const options = JSON.parse(process.argv[2]!) as ChildOptions;
const { reduction, threads, steps, storage } = options;
const without = new Set(
  onnxOptimisations.filter((name): name is OnnxOptimisation => options.without.includes(name)),
);

const say = (line: object) => {
  console.log(JSON.stringify(line));
};
const peakKibibytes = () => process.resourceUsage().maxRSS;

async function timed<T>(work: () => Promise<T>) {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return {
    result,
    seconds: (performance.now() - start) / 1000,
    processor: (user + system) / 1e6,
  };
}

function open(profile?: string): Promise<Engine> | Engine {
  return options.engine === 'onnx'
    ? createOnnxEngine({ threads, storage, without, ...(profile !== undefined && { profile }) })
    : openEngine(options.engine, { threads, storage });
}

/**
 * GFLOP/s of a large square product, by the clock and by processor time. An engine that would take long for it gets a
 * smaller one.
 */
async function sayPeak(engine: Engine): Promise<void> {
  let [n, best] = [128, await bestProduct(engine, 128, 2)];
  for (const next of [512, 2048]) {
    if (best.seconds * (next / n) ** 3 > 10) break;
    [n, best] = [next, await bestProduct(engine, next, next === 2048 ? 5 : 2)];
  }
  const gflops = [best.seconds, best.processor].map((s) => (2 * n ** 3) / s / 1e9);
  say({ gflops, peakOf: n });
}

async function bestProduct(engine: Engine, n: number, runs: number) {
  const b = new Builder();
  const product = b.matmul(b.constant('left', [n, n]), b.input('right', [n, n]));
  const program = b.build('product', { sum: b.sum(product, [0, 1]) });
  const matrix: Tensor = { shape: [n, n], data: new Float32Array(n * n).fill(0.5) };
  const executable = await engine.compile(program, new Map([['left', matrix]]));
  const best = { seconds: Infinity, processor: Infinity };
  for (let run = 0; run < runs; run++) {
    const { seconds, processor } = await timed(() => executable.run({ right: matrix }));
    best.seconds = Math.min(best.seconds, seconds);
    best.processor = Math.min(best.processor, processor);
  }
  await executable.dispose();
  return best;
}

async function runSteps(executable: Executable, inputs: Record<string, Tensor>, count: number) {
  const start = performance.now();
  for (let run = 0; run < count; run++) {
    if (run > 0 && performance.now() - start > 1000 * options.limit) break;
    const { result, ...times } = await timed(() => executable.run(inputs));
    let squares = 0;
    for (const [name, { data }] of Object.entries(result)) {
      if (name.startsWith('gradient/')) for (const slope of data) squares += slope ** 2;
    }
    const loss = result['loss']!.data[0];
    say({ ...times, loss, gradient: Math.sqrt(squares), peakKibibytes: peakKibibytes() });
  }
}

async function main(): Promise<void> {
  const engine = await open();
  const { title, adapter } = engine.description;
  const software = adapter?.software === true;
  const slow = software || options.engine === 'reference';
  const { layers, batch } = options.size;
  const size = {
    ...options.size,
    layers: slow ? Math.min(layers, options.slow.layers) : layers,
    batch: slow ? Math.min(batch, options.slow.batch) : batch,
  };
  say({ title, software, size });
  await sayPeak(engine);
  const model = randomWemoe(size, (name, tensor) => stored(storage, name, tensor));
  const shape = { tasks: 1, batch: size.batch, classes: size.classes, reduction };
  const whole = stepForward(model, shape);
  const forward = options.without.includes('narrow') ? whole : narrow(whole);
  const program = options.without.includes('narrow')
    ? gradient(whole, { of: 'loss', withRespectTo: model.trainables.map(({ name }) => name) })
    : adaptationStep(model, shape);
  const inputs = stepInputs(model, size);
  say({ operations: productOperations(program), equations: program.equations.length });
  const compiled = await timed(() => engine.compile(program, model.constants));
  say({ compiled: compiled.seconds, peakKibibytes: peakKibibytes() });
  await runSteps(compiled.result, inputs, steps + 1);
  await compiled.result.dispose();
  if (options.breakdown && options.engine === 'onnx') {
    const runs = 2;
    const work = async (prefix: string) => {
      const executable = await (await open(prefix)).compile(program, model.constants);
      for (let run = 0; run < runs; run++) await executable.run(inputs);
      await executable.dispose();
    };
    say({ breakdown: await profiled(program, forward.shapes.length, runs, work) });
  }
  if (!slow) await sayPeak(engine);
}

try {
  await main();
} catch (error) {
  say({ failure: error instanceof Error ? error.message : String(error) });
}
// Drivers of cards keep threads of their own.
setImmediate(() => process.exit());
