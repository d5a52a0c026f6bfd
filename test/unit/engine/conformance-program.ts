/**
 * Holds one engine against the reference, in a process whose environment names the card's driver: every operation with
 * its gradients, a small network, and adaptation. Prints one line of JSON for each comparison. Arguments: the
 * engine, then `all` for every case and 20 steps, or `few` for a share of the cases and 3 steps.
 */
import { adapt, initialState } from '../../../main/adaptation/adapt.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import type { Engine } from '../../../main/engine/engine.ts';
import { openEngine, type EngineListingId } from '../../../main/engine/registry.ts';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { Builder } from '../../../main/graph/builder.ts';
import { gradient } from '../../../main/graph/gradient.ts';
import { AppError } from '../../../main/lib/errors.ts';
import { randomStream } from '../../../main/lib/random.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { storedModel } from '../../../main/runs/storage.ts';
import { expertSet, randomHead, tinyConfig } from '../../support/tiny-models.ts';
import { runStep } from '../../support/adaptation-step.ts';
import { runOnce } from './engines-under-test.ts';
import { deviations } from './numbers.ts';
import { opNames, opPrograms, type OpProgram } from './op-program.ts';
import { batchOf, smallNetwork, weightNames, weights } from './small-network.ts';

/** What a comparison found; `worst` is null where it is infinite. */
export interface Comparison {
  readonly title: string;
  readonly worst: number | null;
  readonly allowed: number;
}

const [id = '', extent = 'few'] = process.argv.slice(2);
const all = extent === 'all';
const reference = createReferenceEngine();
const engine = await openEngine(id as EngineListingId);

function report(title: string, worst: number, allowed: number): void {
  process.stdout.write(`${JSON.stringify({ title, worst, allowed } satisfies Comparison)}\n`);
}

/**
 * WGSL leaves infinities, NaN and subnormal numbers to the card (§ 15.7.2 of the specification), so elements
 * that are none of them in the reference are compared, and the others on cards are not.
 */
function comparable(tensor: Tensor, expected: Tensor): [Tensor, Tensor] {
  const keep = [...expected.data.keys()].filter((i) => Number.isFinite(expected.data[i]));
  const part = ({ data }: Tensor): Tensor => ({
    shape: [keep.length],
    data: Float32Array.from(keep, (i) => data[i] ?? Number.NaN),
  });
  return tensor.shape.join() === expected.shape.join()
    ? [part(tensor), part(expected)]
    : [tensor, expected];
}

type Results = Readonly<Record<string, Tensor>>;

function worstOf(found: Results, expected: Results, without: readonly string[] = []): number {
  let worst = 0;
  for (const [name, tensor] of Object.entries(expected)) {
    if (without.includes(name)) continue;
    const other = found[name];
    if (other === undefined) return Infinity;
    const [a, b] = comparable(other, tensor);
    worst = Math.max(worst, ...Object.values(deviations({ a }, { a: b })));
  }
  return worst;
}

/** A share of an operation's cases in which every kind of them occurs, with its last. */
function chosen(programs: readonly OpProgram[]): readonly OpProgram[] {
  if (all) return programs;
  const last = programs.length - 1;
  return programs.filter((_, index) => index % 4 === 2 || index === last);
}

for (const op of opNames) {
  for (const { title, program, inputs } of chosen(opPrograms(op))) {
    const expected = await runOnce(reference, program, inputs);
    // The objective is a means to gradients; its terms cancel, so its own size is no measure.
    report(title, worstOf(await runOnce(engine, program, inputs), expected, ['objective']), 1e-5);
  }
}

const network = gradient(smallNetwork(3, { loss: true }), {
  of: 'loss',
  withRespectTo: ['x', ...weightNames],
});
const networkResults = (on: Engine) => runOnce(on, network, { x: batchOf(3) }, weights());
report(
  'small network with its gradients',
  worstOf(await networkResults(engine), await networkResults(reference)),
  1e-4,
);

const set = expertSet(2);
const model = createWemoe(set, { depth: 1, lambda: 0.3, seed: 1 });
const heads = [randomHead('a', 3, 16), randomHead('b', 6, 16)];
const values = initialState(model).values;

for (const reduction of all ? (['per-sample', 'batch-mean'] as const) : (['batch-mean'] as const)) {
  const step = { model, heads, batch: 2, reduction, values };
  report(
    `adaptation step, ${reduction}`,
    worstOf(await runStep(step, engine), await runStep(step, reference)),
    1e-4,
  );
  const [path, expectedPath] = [await trajectory(engine), await trajectory(reference)];
  report(
    `trajectory of ${String(path.shape[0])} losses, ${reduction}`,
    worstOf({ path }, { path: expectedPath }),
    1e-4,
  );

  async function trajectory(on: Engine): Promise<Tensor> {
    const random = randomStream('pixels');
    const size = tinyConfig.imageSize;
    const tasks = heads.map((head, task) => ({
      head,
      images: {
        task: String(task),
        store: {
          size,
          count: 4,
          pixels: Uint8Array.from({ length: 4 * size * size * 3 }, () => 256 * random()),
        },
        normalisation: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] } as const,
      },
    }));
    const options = {
      steps: all ? 20 : 3,
      learningRate: 0.01,
      schedule: 'constant',
      batch: 2,
      reduction,
      diversity: 0,
      objective: 'entropy',
      seed: 1,
      tasksPerCall: 2,
    } as const;
    const losses: number[] = [];
    for await (const { loss } of adapt(on, model, tasks, initialState(model), options)) {
      losses.push(loss);
    }
    return { shape: [losses.length], data: Float32Array.from(losses) };
  }
}
// Weights in fp16: the reference widens them, so the numbers are those of the rounded weights.
const halves = await openEngine(id as EngineListingId, { storage: 'fp16' }).catch(
  (error: unknown) => error,
);
if (halves instanceof AppError) {
  report(`weights in fp16 are refused: ${halves.message}`, 0, 0);
} else {
  const step = { model: storedModel('fp16', model), heads, batch: 2, values } as const;
  for (const reduction of ['per-sample', 'batch-mean'] as const) {
    const found = await runStep({ ...step, reduction }, halves as Engine);
    const expected = await runStep({ ...step, reduction }, reference);
    report(`adaptation step with weights in fp16, ${reduction}`, worstOf(found, expected), 1e-4);
  }
}

// SwiftShader has no buffer of 1.6 GB, a card may have.
if (engine.description.adapter?.software === true) {
  const b = new Builder();
  const [row, column] = [b.input('row', [1, 20_000]), b.input('column', [20_000, 1])];
  const large = b.build('large', { sum: b.sum(b.mul(row, column), [0, 1]) });
  const data = new Float32Array(20_000);
  const inputs = {
    row: { shape: [1, 20_000], data },
    column: { shape: [20_000, 1], data },
  };
  const code = await runOnce(engine, large, inputs).then(
    () => undefined,
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );
  report(`too little memory is told as ${String(code)}`, 0, 0);
  const again = worstOf(await networkResults(engine), await networkResults(reference));
  report('small network after that', again, 1e-4);
}
// Drivers keep threads of their own.
process.exitCode = 0;
setImmediate(() => process.exit());
