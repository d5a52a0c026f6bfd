/**
 * The numbers of docs/results/storage.md that `mergewright table` does not print:
 *
 *     npx tsx test/bench/storage.bench.ts RUN-IN-FP32 RUN-IN-FP16
 *
 * How many predictions of each method differ between the folders of the two runs, and what rounding to fp16 does to normally
 * distributed task vectors and a base: root mean square of the error over that of the task vectors.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { halved } from '../../main/checkpoints/half-tensor.ts';
import { normals, randomStream } from '../../main/lib/random.ts';

interface Predictions {
  readonly tasks: Readonly<Record<string, { readonly predicted: readonly number[] }>>;
}

interface Report {
  readonly methods: readonly { readonly id: string; readonly accuracies: unknown }[];
}

const COUNT = 1 << 20;
/** Of the weights of a base. */
const BASE = 0.02;

const [first, second] = process.argv.slice(2);
if (first === undefined || second === undefined) throw new Error('two folders of runs are needed');

const json = async (...path: string[]): Promise<unknown> =>
  JSON.parse(await readFile(join(...path), 'utf8'));

const { methods } = (await json(first, 'report.json')) as Report;
for (const { id } of methods) {
  const file = join('predictions', `${id}.json`);
  const [one, other] = (await Promise.all([json(first, file), json(second, file)])) as [
    Predictions,
    Predictions,
  ];
  const changed = Object.entries(one.tasks).map(([task, { predicted }]) => {
    const again = other.tasks[task]!.predicted;
    return predicted.filter((label, i) => label !== again[i]).length;
  });
  console.log(
    `${id.padEnd(20)} ${String(changed.reduce((sum, n) => sum + n, 0))} predictions changed`,
  );
}

const squared = (values: ArrayLike<number>) =>
  Array.from(values).reduce((sum, value) => sum + value * value, 0);

/** Root mean square of what rounding takes from normal numbers of deviation `size`, times `scale` before. */
function lost(size: number, scale: number): number {
  const data = Float32Array.from(normals(randomStream('half', size), COUNT, size * scale));
  const rounded = halved('values', { shape: [COUNT], data }).data;
  return Math.sqrt(squared(data.map((value, i) => value - rounded[i]!)) / COUNT) / scale;
}

for (const size of [3e-4, 1e-4, 3e-5, 1e-5, 1e-6]) {
  const scale = 2 ** Math.floor(Math.log2(1 / size));
  const [plain, scaled, base] = [lost(size, 1), lost(size, scale), lost(BASE, 1)].map((error) =>
    (error / size).toExponential(1),
  );
  console.log(`size ${size.toExponential()}: as they are ${plain}, scaled ${scaled}, base ${base}`);
}
