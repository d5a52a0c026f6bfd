/**
 * Linear algebra and the methods that need it: `npx tsx test/bench/svd.bench.ts`
 * [--sizes 768x768,768x3072,2048x2048,4096x4096] [--python python3] [--experts 8] [--blocks 12]
 * [--methods iso_c,tsv_m,iso_cts] [--changes falling,normal] [--folder FOLDER].
 * Prints seconds of a full singular value decomposition beside numpy's (LAPACK) at the same size and threads, and of
 * whole merges of generated experts of the shape of ViT-B/32, from files to files. `--blocks 0` leaves the merges
 * out, `--sizes ''` the decompositions. In FOLDER (4 GB for each kind of changes) the models are kept for the next
 * time. Seconds of the processor are printed beside those of the clock, for a machine that does other work.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { columnRange, shifted, type Matrix } from '../../main/engine/linear/matrix.ts';
import { randomMatrix } from '../../main/engine/linear/orthonormal.ts';
import { createProducts } from '../../main/engine/onnx/product-chain.ts';
import { createLinearAlgebra } from '../../main/merging/linear-algebra.ts';
import { executePlan } from '../../main/merging/streaming/execute-plan.ts';
import { methodNamed, planOf } from '../unit/merging/streaming/plans.ts';
import { visionExperts, type Changes } from './vision-experts.ts';

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '768x768,768x3072,2048x2048,4096x4096' },
    python: { type: 'string', default: 'python3' },
    experts: { type: 'string', default: '8' },
    blocks: { type: 'string', default: '12' },
    methods: { type: 'string', default: 'iso_c,tsv_m,iso_cts' },
    changes: { type: 'string', default: 'falling,normal' },
    folder: { type: 'string' },
  },
});
const threads = availableParallelism();
const linear = createLinearAlgebra(createProducts(threads));

function row(...cells: readonly string[]): void {
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(18) : cell.padStart(22))).join(''));
}

interface Timed<T> {
  readonly seconds: number;
  readonly busy: number;
  readonly result: T;
}

async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const begun = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - begun) / 1000, busy: (user + system) / 1e6, result };
}

/** Seconds of numpy, or why there are none. */
function numpySeconds(rows: number, columns: number): string {
  const program = `
import time, numpy as np
a = np.random.default_rng(0).standard_normal((${String(rows)}, ${String(columns)}))
begun = time.time(); busy = time.process_time(); np.linalg.svd(a, full_matrices=False)
print(f"{time.time() - begun:.2f} s ({time.process_time() - busy:.1f} busy)")`;
  const count = String(threads);
  const environment = {
    OMP_NUM_THREADS: count,
    OPENBLAS_NUM_THREADS: count,
    MKL_NUM_THREADS: count,
  };
  const { status, stdout, stderr, error } = spawnSync(options.python, ['-c', program], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (error !== undefined) return `skipped: ${error.message}`;
  return status === 0 ? stdout.trim() : `skipped: ${stderr.trim().split('\n').at(-1) ?? ''}`;
}

async function orthogonality(q: Matrix): Promise<number> {
  const gram = shifted(await linear.multiply(q, q, { a: true }), 1, -1);
  return gram.data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

const version = spawnSync(options.python, ['-c', 'import numpy; print(numpy.__version__)'], {
  encoding: 'utf8',
}).stdout;
console.log(
  `singular values, ${String(threads)} threads, numpy ${version.trim() || 'is not there'}`,
);
row('rows × columns', 'here', 'numpy', '|UᵀU − I|', 'leading 1/8', 'polar');
for (const size of options.sizes === '' ? [] : options.sizes.split(',')) {
  const [rows = 0, columns = 0] = size.split('x').map(Number);
  const matrix = randomMatrix(rows, columns, 'bench');
  // The first call makes the engine's sessions.
  await linear.svd(columnRange(matrix, 0, Math.min(columns, 96)));
  const full = await timed(() => linear.svd(matrix));
  const part = await timed(() =>
    linear.leading(matrix, Math.floor(Math.min(rows, columns) / 8), 'single'),
  );
  const polar = await timed(() => linear.polar(matrix, 'single'));
  row(
    size,
    `${full.seconds.toFixed(2)} s (${full.busy.toFixed(1)} busy)`,
    numpySeconds(rows, columns),
    (await orthogonality(full.result.u)).toExponential(1),
    `${part.seconds.toFixed(2)} s`,
    `${polar.seconds.toFixed(2)} s`,
  );
}

/** Merges the stored models as a user does; seconds of the clock from the plan to the published folder. */
async function merge(paths: readonly string[], method: string, folder: string): Promise<void> {
  const target = join(folder, 'merged');
  const models = await Promise.all(paths.map((path) => openCheckpoint(path)));
  const plan = planOf(models, methodNamed(method), {}, 'F32');
  const cache = join(folder, 'hashes.jsonl');
  const done = await timed(() => executePlan(plan, target, { hashCache: cache }));
  const { threads: used, peakBytes } = done.result.budget;
  row(
    method,
    `${done.seconds.toFixed(1)} s`,
    `${done.busy.toFixed(1)} s busy`,
    `${String(used)} threads`,
    `≤ ${(peakBytes / 2 ** 30).toFixed(2)} GiB`,
  );
  await rm(target, { recursive: true });
}

const blocks = Number(options.blocks);
if (blocks > 0) {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'mergewright-bench-')));
  try {
    for (const changes of options.changes.split(',') as Changes[]) {
      const paths = await visionExperts(folder, {
        experts: Number(options.experts),
        blocks,
        changes,
      });
      console.log(
        `\n${options.experts} experts of ViT-B/32, ${options.blocks} blocks, ${changes} changes`,
      );
      for (const method of options.methods.split(',')) await merge(paths, method, folder);
    }
  } finally {
    if (options.folder === undefined) await rm(folder, { recursive: true });
  }
}
