/** How fast this machine merges: measured by every merge, kept for the estimate of the next. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

type Rates = Readonly<Record<string, number>>;

/** Where programs keep what they can do without. */
function cacheFile(): string {
  const folder =
    process.env['XDG_CACHE_HOME'] ?? process.env['LOCALAPPDATA'] ?? join(homedir(), '.cache');
  return join(folder, 'mergewright', 'throughput.json');
}

function readRates(): Rates {
  try {
    const value: unknown = JSON.parse(readFileSync(cacheFile(), 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Rates) : {};
  } catch {
    return {};
  }
}

/** Seconds that reading `bytes` and merging them by `method` took the last time; undefined before. */
export function estimateSeconds(method: string, bytes: number): number | undefined {
  const rate = readRates()[method];
  return typeof rate === 'number' && rate > 0 ? bytes / rate : undefined;
}

/** Small merges measure the start of the threads rather than the work. */
const leastBytes = 256e6;

/** Keeps what was measured; without the cache the next merge only has no estimate. */
export function recordThroughput(method: string, bytes: number, ms: number): void {
  if (bytes < leastBytes || ms <= 0) return;
  try {
    const path = cacheFile();
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ ...readRates(), [method]: (1000 * bytes) / ms }));
  } catch {
    // A home folder may be read-only.
  }
}
