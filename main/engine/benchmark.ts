/** How fast an engine is, measured in this process. */
import { Builder } from '../graph/builder.ts';
import type { Program } from '../graph/program.ts';
import type { Tensor } from '../lib/tensor.ts';
import { elementCount } from '../lib/tensor.ts';
import type { Engine } from './engine.ts';

export interface MeasureOptions {
  /** Rows and columns of the square matrices. */
  readonly size?: number;
  /** Time to spend; at least two products are always computed. */
  readonly seconds?: number;
}

/** GFLOP/s of one square matrix product (2·size³ operations), the best of the runs that fit the time. */
export async function measureGflops(
  engine: Engine,
  { size = 512, seconds = 0.4 }: MeasureOptions = {},
): Promise<number> {
  const best = await bestTime(engine, squareProduct(size), seconds);
  return (2 * size ** 3) / best / 1e9;
}

/**
 * Seconds of the fastest run of `program` with arbitrary inputs; the first run, which may still
 * allocate and pack, does not count.
 */
export async function bestTime(engine: Engine, program: Program, seconds: number): Promise<number> {
  const tensors = { constant: new Map<string, Tensor>(), input: new Map<string, Tensor>() };
  for (const { name, kind, value } of program.parameters) {
    tensors[kind].set(name, ramp(program.shapes[value] ?? []));
  }
  const inputs = Object.fromEntries(tensors.input);
  const executable = await engine.compile(program, tensors.constant);
  try {
    const end = performance.now() + seconds * 1000;
    await executable.run(inputs);
    let best = Infinity;
    do {
      const start = performance.now();
      await executable.run(inputs);
      best = Math.min(best, performance.now() - start);
    } while (performance.now() < end);
    return best / 1000;
  } finally {
    await executable.dispose();
  }
}

/** The sum at the end keeps the transfer of a result out of the measurement. */
function squareProduct(size: number): Program {
  const b = new Builder();
  const left = b.constant('left', [size, size]);
  const right = b.input('right', [size, size]);
  return b.build('benchmark', { product: b.sum(b.matmul(left, right), [0, 1]) });
}

function ramp(shape: readonly number[]): Tensor {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => (i % 17) / 17 - 0.5);
  return { shape, data };
}
