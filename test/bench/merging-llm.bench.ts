/**
 * How fast three 1.1 B-parameter bf16 checkpoints are merged, beside mergekit and beside plain copying of the
 * same bytes, in turns on the same files:
 *
 *     npx tsx test/bench/merging-llm.bench.ts FOLDER [--python PATH] [--runs N] [--threads N] [--keep]
 *
 * FOLDER needs 12 GB. `--python` is that of an environment with mergekit. Seconds are those of the whole
 * process, its start included, for both; for mergekit also without what importing it takes. Peak memory is
 * anonymous memory, which the page cache has no part in.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { MergeRequest } from '../support/merge-child.ts';
import { llamaModels } from './llama-models.ts';
import { measure, mergeChild, type Measured } from './processes.ts';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string' },
    runs: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(availableParallelism()) },
    keep: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

const sharedChunk = new Uint8Array(16 * 1024 * 1024);

/** Reads all weight files once and writes as many bytes as one of them has, as `cp` does; then syncs. */
function copy(
  paths: readonly string[],
  bytes: number,
  target: string,
): Measured & { synced: number } {
  const [begun, before] = [performance.now(), process.cpuUsage()];
  for (const path of paths) {
    for (const name of readdirSync(path).filter((each) => each.endsWith('.safetensors'))) {
      const descriptor = openSync(join(path, name), 'r');
      while (readSync(descriptor, sharedChunk) > 0);
      closeSync(descriptor);
    }
  }
  const descriptor = openSync(target, 'w');
  for (let left = bytes; left > 0; left -= sharedChunk.byteLength) {
    writeSync(descriptor, sharedChunk, 0, Math.min(left, sharedChunk.byteLength));
  }
  const seconds = (performance.now() - begun) / 1000;
  fsyncSync(descriptor);
  const { user, system } = process.cpuUsage(before);
  closeSync(descriptor);
  const synced = (performance.now() - begun) / 1000;
  return { seconds, synced, processor: (user + system) / 1e6, peakBytes: 0 };
}

interface Case {
  /** Of the method if not given. */
  readonly title?: string;
  readonly method: string;
  readonly request: Pick<MergeRequest, 'parameters' | 'baseIsExpert'>;
  /** For mergekit; not given where it has no such rules. */
  readonly yaml?: (paths: readonly string[]) => string;
}

const halves = { density: 0.5, weight: 0.5 };

const withBase = (method: string, parameters: string) => (paths: readonly string[]) => `
merge_method: ${method}
base_model: ${paths[0]}
models:
  - model: ${paths[1]}
    parameters: {weight: 0.5, density: 0.5}
  - model: ${paths[2]}
    parameters: {weight: 0.5, density: 0.5}
parameters: {${parameters}}
dtype: bfloat16
`;

const cases: readonly Case[] = [
  {
    method: 'linear',
    request: { baseIsExpert: true, parameters: { weight: [0.5, 0.3, 0.2] } },
    yaml: (paths) => `
merge_method: linear
models:
${paths.map((path, index) => `  - model: ${path}\n    parameters: {weight: ${[0.5, 0.3, 0.2][index] ?? 0}}`).join('\n')}
dtype: bfloat16
`,
  },
  // With mergekit's rules, as its YAML selects them here.
  {
    method: 'ties',
    request: {
      parameters: { ...halves, lambda: 1, trim: 'tensor_exact', even_sign: 'positive' },
    },
    yaml: withBase('ties', 'normalize: false'),
  },
  {
    method: 'dare_ties',
    request: { parameters: { ...halves, lambda: 1, rescale: 'l1' } },
    yaml: withBase('dare_ties', 'normalize: false'),
  },
  // With those of the papers.
  {
    title: 'ties, trimmed over the whole model',
    method: 'ties',
    request: { parameters: { ...halves, lambda: 1 } },
  },
  {
    title: 'dare_ties, rescaled by 1 / density',
    method: 'dare_ties',
    request: { parameters: { ...halves, lambda: 1 } },
  },
];

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

async function main(): Promise<void> {
  const [given0] = positionals;
  if (given0 === undefined) throw new Error('name a folder on a disk with 12 GB free');
  const folder = resolve(given0);
  const threads = Number(given.threads);
  const { paths, bytes, parameters } = await llamaModels(folder, 3);
  const moved = bytes * 4;
  console.log(
    `3 models of ${(parameters / 1e9).toFixed(2)} B parameters, ${(moved / 1e9).toFixed(1)} GB read and written; ` +
      `${threads} threads, ${cpus()[0]?.model ?? ''}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}`,
  );
  const { python } = given;
  if (python === undefined) console.log('mergekit skipped: no --python given');
  else console.log(execFileSync(python, ['-c', versions], { encoding: 'utf8' }).trim());

  const program = await mergeChild();
  const target = join(folder, 'merged');
  const cache = join(folder, 'hashes.jsonl');
  for (const { method, title = method, request, yaml } of cases) {
    if (given.only !== undefined && given.only !== method) continue;
    const all = new Map<string, Measured[]>();
    const add = (name: string, measured: Measured) =>
      all.set(name, [...(all.get(name) ?? []), measured]);
    for (let run = 0; run < Number(given.runs); run++) {
      const copied = copy(paths, bytes, target);
      add('copying', copied);
      add('copying, synced', { ...copied, seconds: copied.synced });
      await rm(target, { recursive: true, force: true });
      const options = { threads, hashCache: cache };
      const merge: MergeRequest = {
        ...request,
        models: paths,
        method,
        dtype: 'BF16',
        target,
        options,
      };
      const child = [program, JSON.stringify(merge)];
      if (run === 0) {
        await rm(cache, { force: true });
        add('mergewright, parents hashed anew', await measure(process.execPath, child, threads));
        await rm(target, { recursive: true, force: true });
      }
      add('mergewright', await measure(process.execPath, child, threads));
      await rm(target, { recursive: true, force: true });
      if (python === undefined || yaml === undefined) continue;
      const recipe = join(folder, 'mergekit.yml');
      await writeFile(recipe, yaml(paths));
      const words = [
        '-m',
        'mergekit.scripts.run_yaml',
        recipe,
        target,
        '--no-copy-tokenizer',
        '--lazy-unpickle',
        '--num-threads',
        String(threads),
      ];
      add('mergekit', await measure(python, words, threads));
      await rm(target, { recursive: true, force: true });
      add(
        'mergekit, import alone',
        await measure(python, ['-m', 'mergekit.scripts.run_yaml', '--help'], threads),
      );
    }
    show(title, all, moved);
  }
  if (!given.keep)
    for (const path of [...paths, cache]) await rm(path, { recursive: true, force: true });
}

const versions = `
import importlib.metadata as m
print('mergekit', m.version('mergekit'), 'torch', m.version('torch'))`;

function show(title: string, all: ReadonlyMap<string, readonly Measured[]>, moved: number): void {
  const of = (name: string) => median((all.get(name) ?? []).map(({ seconds }) => seconds));
  console.log(`\n${title} (medians; load ${loadavg()[0]?.toFixed(1) ?? ''})`);
  for (const [name, runs] of all) {
    const seconds = of(name);
    const processor = median(runs.map((each) => each.processor));
    const peak = Math.max(...runs.map(({ peakBytes }) => peakBytes)) / 2 ** 20;
    console.log(
      `  ${name.padEnd(34)} ${seconds.toFixed(2).padStart(7)} s ${(moved / seconds / 1e6).toFixed(0).padStart(6)} MB/s` +
        `   processor ${processor.toFixed(1).padStart(6)} s   peak ${peak.toFixed(0).padStart(6)} MiB`,
    );
  }
  const processorOf = (name: string) =>
    median((all.get(name) ?? []).map(({ processor }) => processor));
  const own = of('mergewright');
  const line = [
    `${(own / of('copying')).toFixed(2)} × copying`,
    `${(own / of('copying, synced')).toFixed(2)} × copying and syncing`,
  ];
  const peer = of('mergekit');
  if (!Number.isNaN(peer)) {
    const net = peer - of('mergekit, import alone');
    line.push(
      `${(peer / own).toFixed(2)} × the speed of mergekit (${(net / own).toFixed(2)} × without its import)`,
    );
    const used = processorOf('mergewright');
    const peerUsed = processorOf('mergekit');
    const netUsed = peerUsed - processorOf('mergekit, import alone');
    line.push(
      `mergekit takes ${(peerUsed / used).toFixed(2)} × its processor seconds (${(netUsed / used).toFixed(2)} × without its import)`,
    );
  }
  console.log(`  mergewright: ${line.join(', ')}`);
}

await main();
