/**
 * Measurements of this machine, kept between programs. An entry holds for exactly the engines, versions, drivers,
 * threads, processor and model shape that it was measured with; anything else is measured anew.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../lib/cache-folder.ts';
import { writeFileDurably } from '../lib/durable.ts';
import type { Calibrated, Candidate } from './calibration.ts';
import type { BlockShape } from './calibration-step.ts';

const rowSchema = z.union([
  z.strictObject({ id: z.string(), seconds: z.number().positive(), gflops: z.number().positive() }),
  z.strictObject({ id: z.string(), failure: z.string() }),
]);
const fileSchema = z.strictObject({
  schema: z.literal(1),
  /** Newest first. */
  entries: z.array(z.strictObject({ key: z.string(), at: z.iso.date(), rows: z.array(rowSchema) })),
});
type Entry = z.output<typeof fileSchema>['entries'][number];

/** Shapes, drivers and versions come and go. */
const maxEntries = 64;

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
  return createHash('sha256')
    .update(JSON.stringify([machine, engines, shape]))
    .digest('hex');
}

/** A file that is missing, damaged or of another version counts as empty. */
export async function readCalibration(key: string): Promise<KnownSpeeds | undefined> {
  const entry = (await readEntries()).find((one) => one.key === key);
  return entry && { at: entry.at, rows: entry.rows };
}

/** Keeps a table; a folder that cannot be written to only means measuring again. */
export async function writeCalibration(key: string, rows: readonly Calibrated[]): Promise<void> {
  const at = new Date().toISOString().slice(0, 10);
  const others = (await readEntries()).filter((one) => one.key !== key);
  const entries = [{ key, at, rows: [...rows] }, ...others].slice(0, maxEntries);
  const path = cachePath();
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFileDurably(path, `${JSON.stringify({ schema: 1, entries }, null, 1)}\n`);
  } catch {
    return;
  }
}

async function readEntries(): Promise<readonly Entry[]> {
  try {
    return fileSchema.parse(JSON.parse(await readFile(cachePath(), 'utf8'))).entries;
  } catch {
    return [];
  }
}

function cachePath(): string {
  return join(cacheFolder(), 'engines.json');
}
