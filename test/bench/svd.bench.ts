/**
 * Linear algebra and the methods that need it: `npx tsx test/bench/svd.bench.ts`
 * [--sizes 768x768,768x3072,2048x2048] (4096x4096 takes minutes) [--python python3] [--experts 8] [--blocks 12] [--methods iso_c,tsv_m].
 * Prints seconds of a full singular value decomposition beside numpy's (LAPACK) at the same size and threads, and of
 * a merge of generated experts of the shape of ViT-B/32. `--blocks 0` leaves the merge out. `--changes falling` has experts
 * with a few falling directions above a tenth of the noise, as fine-tuning leaves them; `normal`, the noise alone, is
 * the hardest. Seconds of the processor are printed beside those of the clock, for a machine that does other work.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import {
  columnRange,
  scaleColumns,
  shifted,
  type Matrix,
} from '../../main/engine/linear/matrix.ts';
import { randomMatrix } from '../../main/engine/linear/orthonormal.ts';
import { createProducts } from '../../main/engine/onnx/product-chain.ts';
import { methods } from '../../main/merging/index.ts';
import { createLinearAlgebra } from '../../main/merging/linear-algebra.ts';
import { groupOf, runMethod } from '../unit/merging/in-memory.ts';

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '768x768,768x3072,2048x2048' },
    python: { type: 'string', default: 'python3' },
    experts: { type: 'string', default: '8' },
    blocks: { type: 'string', default: '12' },
    methods: { type: 'string', default: 'iso_c,tsv_m,iso_cts' },
    changes: { type: 'string', default: 'normal' },
  },
});
const threads = availableParallelism();
const linear = createLinearAlgebra(createProducts(threads));

function row(...cells: readonly string[]): void {
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(28) : cell.padStart(18))).join(''));
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

/** Row-major values of one change. */
async function change(rows: number, columns: number, ...key: (string | number)[]) {
  const noise = randomMatrix(rows, columns, ...key).data;
  if (options.changes === 'normal') return Float32Array.from(noise, (value) => value / 100);
  const rank = 24;
  const falling = Float64Array.from({ length: rank }, (_, i) => Math.exp(-i / 6));
  const left = scaleColumns(randomMatrix(rows, rank, ...key, 'left'), falling);
  const right = randomMatrix(columns, rank, ...key, 'right');
  const { data } = await linear.multiply(left, right, { b: true });
  return Float32Array.from(data, (value, i) => 0.004 * value + noise[i]! / 1000);
}

/** Seconds and the version of numpy, or why there are none. */
function numpySeconds(rows: number, columns: number): string {
  const program = `
import time, numpy as np
a = np.random.default_rng(0).standard_normal((${String(rows)}, ${String(columns)}))
begun = time.time(); np.linalg.svd(a, full_matrices=False)
print(f"{time.time() - begun:.2f} s ({np.__version__})")`;
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

console.log(`singular values, ${String(threads)} threads`);
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
    `${full.seconds.toFixed(2)} s`,
    numpySeconds(rows, columns),
    (await orthogonality(full.result.u)).toExponential(1),
    `${part.seconds.toFixed(2)} s`,
    `${polar.seconds.toFixed(2)} s`,
  );
}

/** The weights of one block of ViT-B/32. */
const block: readonly (readonly [string, readonly number[]])[] = [
  ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].map(
    (name) => [`self_attn.${name}.weight`, [768, 768]] as const,
  ),
  ['mlp.fc1.weight', [3072, 768]],
  ['mlp.fc2.weight', [768, 3072]],
];
const blocks = Number(options.blocks);
if (blocks > 0) {
  console.log(
    `\n${options.experts} experts, ${options.blocks} blocks of ViT-B/32, ${options.changes} changes`,
  );
  for (const id of options.methods.split(',')) {
    const method = methods.find((candidate) => candidate.id === id);
    if (method === undefined) throw new Error(`no method ${id}`);
    let [seconds, busy] = [0, 0];
    for (let layer = 0; layer < blocks; layer++) {
      for (const [name, shape] of block) {
        const [rows = 0, columns = 0] = shape;
        const experts: Float32Array[] = [];
        for (let k = 0; k < Number(options.experts); k++) {
          experts.push(await change(rows, columns, layer, name, k));
        }
        const group = groupOf(name, new Float32Array(rows * columns), experts, shape);
        const merge = await timed(() => runMethod(method, {}, [group]));
        seconds += merge.seconds;
        busy += merge.busy;
      }
    }
    row(id, `${seconds.toFixed(1)} s`, `${busy.toFixed(1)} s busy`);
  }
}
