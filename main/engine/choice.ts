/** The engine that a person asked for, or the fastest one for a model, with the reason. */
import { AppError } from '../lib/errors.ts';
import { readCalibration, calibrationKey, writeCalibration } from './calibration-cache.ts';
import { calibrate, type Calibrated, type Candidate } from './calibration.ts';
import { usualShape, type BlockShape } from './calibration-step.ts';
import type { Engine } from './engine.ts';
import {
  attemptEngine,
  engineChoices,
  openEngine,
  unavailable,
  type EngineChoice,
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

/** Cards first: the first one that computes is the measure of the others' numbers, so the processor leads. */
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
  const known = engineChoices.find((one) => one === choice);
  switch (known) {
    case undefined:
      throw new AppError('engine.unknown', {
        what: `there is no engine "${choice}"`,
        hint: `choose one of ${engineChoices.join(', ')}`,
      });
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
export async function candidatesHere(
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
    if (adapter?.software === true) passed.push(`${id} is ${softwareText(adapter.name)}`);
    else candidates.push({ id, engine: attempt.engine });
  }
  return { candidates, passed };
}

/** What is to be known about a card that is none. */
export function softwareText(name: string): string {
  return `software rendering (${name}): slower than the CPU`;
}

/** The speeds of `candidates` for `shape`: those of an earlier measurement that still holds, unless `anew`. */
export async function speedsOf<Id extends string>(
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

async function fastest({ shape = usualShape, ...options }: ChoiceOptions): Promise<ChosenEngine> {
  const { candidates, passed } = await candidatesHere(options);
  const [only] = candidates;
  if (only === undefined) throw unavailable('auto', passed.join('; '));
  if (candidates.length === 1) {
    return { ...only.engine, reason: ['the only one that runs', ...passed].join('; ') };
  }
  const { rows, at } = await speedsOf(candidates, shape);
  const speeds: string[] = [];
  let best: { id: string; gflops: number } | undefined;
  for (const row of rows) {
    if ('failure' in row) {
      passed.push(`${row.id} does not compute (${row.failure})`);
      continue;
    }
    speeds.push(`${row.id} ${row.gflops.toFixed(1)} GFLOP/s`);
    if (best === undefined || row.gflops > best.gflops) best = row;
  }
  const chosen = candidates.find(({ id }) => id === best?.id);
  if (chosen === undefined) throw unavailable('auto', passed.join('; '));
  const when = at === undefined ? 'measured now' : `measured on ${at}`;
  const findings = `fastest of ${speeds.join(', ')}, ${when} on a block of the model`;
  return { ...chosen.engine, reason: [findings, ...passed].join('; ') };
}
