/** The engine that a person asked for, or the fastest one for a model, with the reason. */
import { readCalibration, calibrationKey, writeCalibration } from './calibration-cache.ts';
import { calibrate, type Calibrated, type Candidate } from './calibration.ts';
import { usualShape, type BlockShape } from './calibration-step.ts';
import type { Engine } from './engine.ts';
import {
  attemptEngine,
  engineChoice,
  listEngines,
  openEngine,
  unavailable,
  type EngineChoice,
  type EngineListing,
  type EngineListingId,
  type EngineOptions,
} from './registry.ts';

/** An engine together with why it is this one: to be shown wherever the choice was not the person's. */
export interface ChosenEngine extends Engine {
  readonly reason: string;
}

export interface ChoiceOptions extends EngineOptions {
  /** Sizes of the model that it is to compute, for `auto`; the usual ones when left out. */
  readonly shape?: BlockShape;
}

/** The first one that computes is the measure of the others' numbers, so the processor leads. */
const measured = [
  'onnx',
  'onnx-cuda',
  'onnx-webgpu',
  'onnx-directml',
  'onnx-coreml',
  'tfjs-node-gpu',
  'tfjs-node',
  'tfjs-wasm',
] as const;

/** Engines that exist on one system alone are passed over on others without a word. */
const elsewhere = /^it needs /;

/**
 * The engine a person asked for. `auto` measures those that run here and takes the fastest; `tfjs`
 * takes its best backend. `reason` says what was passed over and why. Throws `engine.unknown` and
 * `engine.unavailable`: an engine that was asked for by name is never replaced by another.
 */
export async function createEngine(
  choice: EngineChoice | (string & {}),
  options: ChoiceOptions = {},
): Promise<ChosenEngine> {
  const known = engineChoice(choice);
  switch (known) {
    case 'auto':
      return fastest(options);
    case 'tfjs':
      return first(['tfjs-node-gpu', 'tfjs-node', 'tfjs-wasm'], options);
    default:
      return { ...(await openEngine(known, options)), reason: 'it was asked for' };
  }
}

async function first(
  ids: readonly EngineListingId[],
  options: EngineOptions,
): Promise<ChosenEngine> {
  const passed: string[] = [];
  for (const id of ids) {
    const attempt = await attemptEngine(id, options);
    if ('engine' in attempt) {
      const fallback = passed.length === 0 ? '' : `, as ${passed.join(' and ')}`;
      return { ...attempt.engine, reason: `${id} is the best backend that runs here${fallback}` };
    }
    passed.push(`${id} does not run (${attempt.reason})`);
  }
  throw unavailable('tfjs', passed.join('; '));
}

/** The engines that may be chosen without being asked for, and why the others may not. */
async function candidatesHere(
  options: EngineOptions,
): Promise<{ candidates: Candidate<EngineListingId>[]; passed: string[] }> {
  const candidates: Candidate<EngineListingId>[] = [];
  const passed: string[] = [];
  for (const id of measured) {
    const attempt = await attemptEngine(id, options);
    if ('reason' in attempt) {
      if (!elsewhere.test(attempt.reason)) passed.push(`${id} does not run (${attempt.reason})`);
      continue;
    }
    const { adapter } = attempt.engine.description;
    if (adapter?.software === true)
      passed.push(`${id} is software rendering (${adapter.name}): slower than the CPU`);
    else candidates.push({ id, engine: attempt.engine });
  }
  return { candidates, passed };
}

/** The speeds of `candidates` for `shape`: those of an earlier measurement that still holds, unless `anew`. */
async function speedsOf<Id extends string>(
  candidates: readonly Candidate<Id>[],
  shape: BlockShape,
  { anew = false }: { readonly anew?: boolean } = {},
): Promise<{ rows: readonly Calibrated[]; at: string | undefined }> {
  const key = calibrationKey(candidates, shape);
  const known = anew ? undefined : await readCalibration(key);
  if (known !== undefined) return known;
  const rows = await calibrate(candidates, shape);
  await writeCalibration(key, rows);
  return { rows, at: undefined };
}

/** One engine of a bench. */
export interface BenchRow {
  readonly engine: EngineListing;
  /** Left out where it was not measured: what is slow by its nature is not. */
  readonly seconds?: number;
  readonly gflops?: number;
  /** Why it gave no time, or none that counts. */
  readonly failure?: string;
  /** Whether `auto` takes it now. */
  readonly chosen: boolean;
}

/** Every engine of the list with its speed on a block of `shape`, measured now; `auto` goes by it from then on. */
export async function benchEngines(
  shape: BlockShape,
  options: EngineOptions = {},
): Promise<BenchRow[]> {
  const listed = await listEngines(options);
  const { candidates } = await candidatesHere(options);
  const { rows } = await speedsOf(candidates, shape, { anew: true });
  const best = fastestOf(rows);
  // Neither software rendering nor the reference: minutes for a large model, and nobody would choose them for speed.
  return listed.map((engine) => {
    const row = rows.find(({ id }) => id === engine.id);
    return { engine, ...withoutId(row), chosen: engine.id === best?.id };
  });
}

function withoutId(row: Calibrated | undefined): Omit<BenchRow, 'engine' | 'chosen'> {
  if (row === undefined) return {};
  if ('failure' in row) return { failure: row.failure };
  const { seconds, gflops } = row;
  return { seconds, gflops: Number(gflops.toPrecision(3)) };
}

/** What another engine must be faster by, so that chance does not decide from one measurement to the next. */
const margin = 1.15;

/** The fastest; among those that are as good as equal, the first. */
export function fastestOf(rows: readonly Calibrated[]): Calibrated | undefined {
  let best: Extract<Calibrated, { gflops: number }> | undefined;
  for (const row of rows) {
    if ('failure' in row) continue;
    if (best === undefined || row.gflops > margin * best.gflops) best = row;
  }
  return best;
}

async function fastest({ shape = usualShape, ...options }: ChoiceOptions): Promise<ChosenEngine> {
  const { candidates, passed } = await candidatesHere(options);
  const [only] = candidates;
  if (only === undefined) throw unavailable('auto', passed.join('; '));
  if (candidates.length === 1) {
    return { ...only.engine, reason: ['the only one that runs', ...passed].join('; ') };
  }
  const { rows, at } = await speedsOf(candidates, shape);
  const speeds: string[] = [];
  for (const row of rows) {
    if ('failure' in row) {
      passed.push(`${row.id} does not compute (${row.failure})`);
      continue;
    }
    speeds.push(`${row.id} ${row.gflops.toFixed(1)} GFLOP/s`);
  }
  const best = fastestOf(rows);
  const chosen = candidates.find(({ id }) => id === best?.id);
  if (chosen === undefined) throw unavailable('auto', passed.join('; '));
  const when = at === undefined ? 'measured now' : `measured on ${at}`;
  const findings = `fastest of ${speeds.join(', ')}, ${when} on a block of the model`;
  return { ...chosen.engine, reason: [findings, ...passed].join('; ') };
}
