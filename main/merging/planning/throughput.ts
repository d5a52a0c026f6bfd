/**
 * How fast this machine merges: measured by every merge, kept for the estimates of later ones. A merge takes the
 * time its threads need to start, whatever its size, and beside that a time in proportion to the bytes it reads.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../../lib/cache-folder.ts';

const positive = z.number().positive();
const measured = z.object({ bytes: positive, seconds: positive });
type Measured = z.output<typeof measured>;

const measurements = z.object({
  /** The fastest small merge there was: no merge takes less than to start and to end. */
  startSeconds: positive.optional(),
  /** The last merges by each method, of either size. */
  methods: z.record(
    z.string(),
    z.object({ small: measured.optional(), large: measured.optional() }),
  ),
});
type Measurements = z.output<typeof measurements>;

/** What a smaller merge takes is mostly its start. */
const smallBytes = 256e6;
/** A small merge says nothing about one that is so many times its size: the start hides its speed. */
const mostGrowth = 2;
/** Before any small merge was measured: threads start and files are synced in about as long. */
const usualStart = 0.3;

const cacheFile = (): string => join(cacheFolder(), 'throughput.json');

function readMeasurements(): Measurements {
  try {
    return measurements.parse(JSON.parse(readFileSync(cacheFile(), 'utf8')));
  } catch {
    return { methods: {} };
  }
}

/**
 * Seconds that reading `bytes` and merging them by `method` will take, by the last merge of such a size; undefined
 * before there was one.
 */
export function estimateSeconds(method: string, bytes: number): number | undefined {
  const { startSeconds = usualStart, methods } = readMeasurements();
  const { small, large } = methods[method] ?? {};
  const nearSmall = small !== undefined && bytes <= Math.min(mostGrowth * small.bytes, smallBytes);
  const nearest = nearSmall ? small : large;
  if (nearest === undefined) return undefined;
  const start = Math.min(startSeconds, nearest.seconds);
  return start + ((nearest.seconds - start) * bytes) / nearest.bytes;
}

/** Keeps what was measured; without the cache the next merge only has no estimate. */
export function recordThroughput(method: string, bytes: number, ms: number): void {
  if (bytes <= 0 || ms <= 0) return;
  try {
    const { startSeconds, methods } = readMeasurements();
    const now: Measured = { bytes, seconds: ms / 1000 };
    const size = bytes < smallBytes ? 'small' : 'large';
    const next: Measurements = {
      startSeconds:
        size === 'large' ? startSeconds : Math.min(startSeconds ?? Infinity, now.seconds),
      methods: { ...methods, [method]: { ...methods[method], [size]: now } },
    };
    const path = cacheFile();
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify(next));
  } catch {
    // A home folder may be read-only.
  }
}
