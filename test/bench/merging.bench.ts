/**
 * How long eight ViT-B/32 experts take to merge by every static method, from files to files and (as runs do
 * it) into memory:
 *
 *     npx tsx test/bench/merging.bench.ts [--folder FOLDER] [--only METHOD,METHOD] [--runs N] [--threads N]
 *
 * Each merge is a process of its own; seconds are those of the whole process, its start and the hashing of
 * the nine models included, the best of the runs. Without a folder, 3.2 GB of models are made in a temporary
 * one and removed afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { methods } from '../../main/merging/index.ts';
import type { Method } from '../../main/merging/method.ts';
import type { MergeRequest } from '../support/merge-child.ts';
import { measure, mergeChild, type Measured } from './processes.ts';
import { vitModels } from './vit-models.ts';

const { values: given } = parseArgs({
  options: {
    folder: { type: 'string' },
    only: { type: 'string' },
    runs: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});
const EXPERTS = 8;
/** Seconds by the clock that methods may take. */
const goalOf = ({ family }: Method) => (family === 'spectral' || family === 'optimised' ? 60 : 10);

async function best(run: () => Promise<Measured>): Promise<Measured> {
  let least = await run();
  for (let more = Number(given.runs) - 1; more > 0; more--) {
    const next = await run();
    const pick = (key: keyof Measured) => Math.min(least[key], next[key]);
    least = {
      seconds: pick('seconds'),
      processor: pick('processor'),
      peakBytes: Math.max(least.peakBytes, next.peakBytes),
    };
  }
  return least;
}

const show = ({ seconds, processor, peakBytes }: Measured): string =>
  `${seconds.toFixed(1).padStart(6)} s  processor ${processor.toFixed(1).padStart(6)} s  ` +
  `peak ${(peakBytes / 2 ** 20).toFixed(0).padStart(5)} MiB`;

async function main(): Promise<void> {
  const folder = given.folder === undefined ? undefined : resolve(given.folder);
  const place = folder ?? (await mkdtemp(join(tmpdir(), 'mergewright-bench-')));
  const threads = Number(given.threads);
  try {
    const { paths, parameters } = await vitModels(place, EXPERTS + 1);
    console.log(
      `A base and ${EXPERTS} experts of ${(parameters / 1e6).toFixed(1)} M parameters in fp32; ${threads} threads, ` +
        `${cpus()[0]?.model ?? ''}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}`,
    );
    const program = await mergeChild();
    const target = join(place, 'merged');
    const hashCache = join(place, 'hashes.jsonl');
    const only = given.only?.split(',');
    for (const method of methods) {
      if (only !== undefined && !only.includes(method.id)) continue;
      const request = { models: paths, method: method.id, dtype: 'F32' } as const;
      const run = (rest: Pick<MergeRequest, 'target' | 'options'>) =>
        best(async () => {
          await rm(target, { recursive: true, force: true });
          await rm(hashCache, { force: true });
          const words = [program, JSON.stringify({ ...request, ...rest } satisfies MergeRequest)];
          return await measure(process.execPath, words, threads);
        });
      const files = await run({ target, options: { threads, hashCache } });
      const memory = await run({ options: { threads } });
      const slow = files.seconds > goalOf(method) ? `  over ${goalOf(method)} s` : '';
      console.log(`${method.id.padEnd(17)} files ${show(files)}   memory ${show(memory)}${slow}`);
    }
    await rm(target, { recursive: true, force: true });
    await rm(hashCache, { force: true });
  } finally {
    if (folder === undefined) await rm(place, { recursive: true });
  }
}

await main();
