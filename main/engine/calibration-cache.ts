/**
 * Measurements of this machine, kept between programs. An entry holds for exactly the engines, versions, drivers,
 * threads, processor and model shape that it was measured with; anything else is measured anew.
 */
import { availableParallelism, cpus, release } from 'node:os';
import { z } from 'zod';
import type { Calibrated, Candidate } from './calibration.ts';
import type { BlockShape } from './calibration-step.ts';
import { keyedCache, keyOf } from './keyed-cache.ts';

const rowSchema = z.union([
  z.strictObject({ id: z.string(), seconds: z.number().positive(), gflops: z.number().positive() }),
  z.strictObject({ id: z.string(), failure: z.string() }),
]);
const cache = keyedCache('engines.json', z.array(rowSchema));

/** A table of measurements and the day it was made. */
export interface KnownSpeeds {
  readonly at: string;
  readonly rows: readonly Calibrated[];
}

/** What a measurement depends on, as one word. */
export function calibrationKey(candidates: readonly Candidate[], shape: BlockShape): string {
  const engines = candidates.map(({ id, engine: { description } }) => {
    const { title, threads, adapter } = description;
    return [id, title, threads, adapter?.name, adapter?.driver];
  });
  const machine = [cpus()[0]?.model, availableParallelism(), release()];
  return keyOf([machine, engines, shape]);
}

export async function readCalibration(key: string): Promise<KnownSpeeds | undefined> {
  const kept = await cache.read(key);
  return kept && { at: kept.at, rows: kept.value };
}

export async function writeCalibration(key: string, rows: readonly Calibrated[]): Promise<void> {
  await cache.write(key, [...rows]);
}
