/** How fast engines compute a block of a step, and whether they compute the same. */
import type { Tensor } from '../lib/tensor.ts';
import {
  calibrationStep,
  calibrationTensors,
  productOperations,
  type BlockShape,
} from './calibration-step.ts';
import type { Engine, Executable } from './engine.ts';

export interface Candidate<Id extends string = string> {
  readonly id: Id;
  readonly engine: Engine;
}

export type Calibrated<Id extends string = string> =
  | { readonly id: Id; readonly seconds: number; readonly gflops: number }
  | { readonly id: Id; readonly failure: string };

/** Times each engine is measured, in turns so that another program's burst does not fall on one engine alone. */
const rounds = 2;
const secondsPerRound = 0.1;
/** A processor engine that takes this many times the best is not run again to know its speed better. */
const hopeless = 3;
/** Nor one whose first run takes longer than this, in seconds. */
const patience = 2;
/** More images than this take longer to compute and tell nothing else. */
const enoughImages = 8;
/** Of the results' largest magnitude; fp32 in another order of summation is far nearer. */
const agreement = 1e-3;

/**
 * Measures `candidates`, each by its fastest run. The results of the first one that computes are the measure of the
 * others: one that gives other numbers counts as failed, like one that throws.
 */
export async function calibrate<Id extends string>(
  candidates: readonly Candidate<Id>[],
  shape: BlockShape,
): Promise<Calibrated<Id>[]> {
  const program = calibrationStep({ ...shape, images: Math.min(shape.images, enoughImages) });
  const { constants, inputs } = calibrationTensors(program);
  const trials: Trial<Id>[] = [];
  try {
    let expected: Results | undefined;
    for (const { id, engine } of candidates) {
      const trial: Trial<Id> = { id, seconds: Infinity };
      trials.push(trial);
      await attempt(trial, async () => {
        trial.executable = await engine.compile(program, constants);
        // Packs weights, compiles shaders; its time stands only where another engine is far ahead.
        const { seconds, results } = await once(trial.executable, inputs);
        expected ??= results;
        if (!agree(results, expected)) throw new Error('it gives other numbers than the others');
        const fastest = Math.min(...trials.map((other) => other.seconds));
        const onProcessor = engine.description.device === 'cpu';
        const slow = onProcessor && seconds > Math.min(hopeless * fastest, patience);
        if (slow) trial.seconds = seconds;
        else await measureTrial(trial, inputs);
      });
    }
    for (let round = 1; round < rounds; round++) {
      const fastest = Math.min(...trials.map(({ seconds }) => seconds));
      for (const trial of trials) {
        if (trial.failure !== undefined || trial.seconds > hopeless * fastest) continue;
        await attempt(trial, () => measureTrial(trial, inputs));
      }
    }
  } finally {
    for (const { executable } of trials) await executable?.dispose();
  }
  const operations = productOperations(program);
  return trials.map(({ id, seconds, failure }) =>
    failure === undefined ? { id, seconds, gflops: operations / seconds / 1e9 } : { id, failure },
  );
}

type Results = Readonly<Record<string, Tensor>>;

interface Trial<Id> {
  readonly id: Id;
  executable?: Executable;
  /** Of the fastest run so far. */
  seconds: number;
  failure?: string;
}

/** An engine that fails is out. */
async function attempt(trial: Trial<unknown>, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    trial.failure = error instanceof Error ? error.message : String(error);
    trial.seconds = Infinity;
  }
}

async function measureTrial(
  trial: Trial<unknown>,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<void> {
  if (trial.executable === undefined) return;
  for (let spent = 0; spent < secondsPerRound;) {
    const { seconds } = await once(trial.executable, inputs);
    trial.seconds = Math.min(trial.seconds, seconds);
    spent += seconds;
  }
}

async function once(
  executable: Executable,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<{ seconds: number; results: Results }> {
  const start = performance.now();
  const results = await executable.run(inputs);
  return { seconds: (performance.now() - start) / 1000, results };
}

/** Whether two engines computed the same, up to the order of summation. */
function agree(results: Results, expected: Results): boolean {
  return Object.entries(expected).every(([name, { data }]) => {
    const other = results[name]?.data;
    const scale = data.reduce((largest, x) => Math.max(largest, Math.abs(x)), 1e-6);
    return data.every((x, i) => Math.abs(x - (other?.[i] ?? Number.NaN)) <= agreement * scale);
  });
}
