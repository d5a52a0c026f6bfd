/**
 * Speed of every engine of this machine, side by side in one run:
 *   npx tsx test/bench/engines.bench.ts
 */
import { bestTime } from '../../main/engine/benchmark.ts';
import { listEngines, openEngine } from '../../main/engine/registry.ts';
import { Builder } from '../../main/graph/builder.ts';
import type { Program } from '../../main/graph/program.ts';

interface Workload {
  readonly title: string;
  readonly program: Program;
  /** Floating-point operations of its matrix products. */
  readonly operations: number;
}

const seconds = 1;

function product(size: number): Workload {
  const b = new Builder();
  const result = b.matmul(b.constant('left', [size, size]), b.input('right', [size, size]));
  return {
    title: `matrix product ${String(size)}`,
    program: b.build('product', { sum: b.sum(result, [0, 1]) }),
    operations: 2 * size ** 3,
  };
}

/** The MLP of one block of ViT-B/32 with its layer norm, for a batch of images. */
function mlp(images: number): Workload {
  const [tokens, width, hidden] = [50, 768, 3072];
  const b = new Builder();
  const x = b.input('x', [images, tokens, width]);
  const vector = (name: string, size: number) => b.constant(name, [size]);
  const u = b.layerNorm(x, vector('scale', width), vector('shift', width), 1e-5);
  const w1 = b.constant('w1', [hidden, width]);
  const w2 = b.constant('w2', [width, hidden]);
  const inner = b.add(b.matmul(u, w1, { transposeRight: true }), vector('b1', hidden));
  const outer = b.matmul(b.unary('quickGelu', inner), w2, { transposeRight: true });
  const y = b.add(x, b.add(outer, vector('b2', width)));
  return {
    title: `ViT-B/32 MLP, ${String(images)} images`,
    program: b.build('mlp', { sum: b.sum(y, [0, 1, 2]) }),
    operations: 4 * images * tokens * width * hidden,
  };
}

const workloads = [product(256), product(512), product(1024), mlp(4), mlp(16)];
/** The reference takes minutes for these. */
const listings = (await listEngines()).filter(({ id }) => id !== 'reference');
const running = listings.filter(({ available }) => available);
for (const listing of listings) {
  console.log(
    listing.available
      ? `${listing.id}: ${listing.title}, ${listing.device}, ${listing.precision}, threads ${listing.threads}`
      : `${listing.id}: not available, ${listing.reason}`,
  );
}
console.log(`\nGFLOP/s, the best of the runs within ${seconds} s each`);
const [first] = running;
const ratios = running.slice(1).map(({ id }) => `${first?.id ?? ''} / ${id}`);
console.log(row('', [...running.map(({ id }) => id), ...ratios]));
for (const { title, program, operations } of workloads) {
  const speeds: number[] = [];
  for (const { id } of running) {
    speeds.push(operations / (await bestTime(await openEngine(id), program, seconds)) / 1e9);
  }
  const against = speeds.slice(1).map((speed) => ((speeds[0] ?? 0) / speed).toFixed(1));
  console.log(row(title, [...speeds.map((speed) => speed.toFixed(1)), ...against]));
}

function row(title: string, cells: readonly string[]): string {
  return title.padEnd(28) + cells.map((cell) => cell.padStart(18)).join('');
}
