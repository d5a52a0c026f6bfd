/** The memory in which the code of `task-vector-code.ts` works, and how its inputs get there. */
import type { CounterKey } from '../../lib/counter-random.ts';
import {
  assemble,
  BASE,
  EXPERTS,
  field,
  KERNEL_BLOCK,
  planeBytes,
  RECORD,
  RESULT,
  type KernelForm,
  type Run,
} from './task-vector-code.ts';
import { memoryOf } from '../../lib/wasm.ts';

/** What the code is told of an expert, for one block. */
export interface ExpertRecord {
  readonly weight: number;
  readonly scale: number;
  /** Keys above it are kept. */
  readonly limit: number;
  readonly key: CounterKey;
  /** Of 31 random bits, those up to it are kept. */
  readonly randomLimit: number;
}

export class TaskVectorKernel {
  readonly #run: Run;
  readonly #experts: number;
  readonly #records: DataView;
  readonly #base: Float32Array;
  readonly #planes: readonly (Float32Array | Float64Array)[];
  readonly #result: Float32Array;

  constructor(form: KernelForm, experts: number) {
    const stride = planeBytes(form);
    const memory = memoryOf(EXPERTS + experts * stride);
    const plane = (at: number) => new Float32Array(memory.buffer, at, KERNEL_BLOCK);
    this.#experts = experts;
    this.#records = new DataView(memory.buffer, 0, BASE);
    this.#base = plane(BASE);
    this.#result = plane(RESULT);
    const Values = form.given === 'models' ? Float32Array : Float64Array;
    this.#planes = Array.from(
      { length: experts },
      (_, k) => new Values(memory.buffer, EXPERTS + k * stride, KERNEL_BLOCK),
    );
    this.#run = assemble(memory, form);
  }

  tell(expert: number, { weight, scale, limit, key, randomLimit }: ExpertRecord): void {
    const records = this.#records;
    const at = expert * RECORD;
    records.setFloat64(at + field.weight, weight, true);
    records.setFloat64(at + field.scale, scale, true);
    records.setInt32(at + field.limit, limit, true);
    records.setInt32(at + field.first, key[0], true);
    records.setInt32(at + field.second, key[1], true);
    records.setInt32(at + field.third, key[2], true);
    records.setInt32(at + field.random, randomLimit, true);
  }

  /**
   * Takes the positions from `begin` to `end`, at most a block; `index` is that of the first in its
   * tensor, below 2^32. Changes, where they are given, are those from the first of `changes` on. Merged values
   * go to `target` at `begin`; returns the balance, where that is the result.
   */
  run(
    { base, experts }: { readonly base: Float32Array; readonly experts: readonly Float32Array[] },
    { begin, end, index }: { readonly begin: number; readonly end: number; readonly index: number },
    target: Float32Array | undefined,
    factor: number,
    divisor: number,
    changes?: readonly Float64Array[],
  ): number {
    const count = end - begin;
    const padded = Math.ceil(count / 4) * 4;
    this.#base.set(begin === 0 && end === base.length ? base : base.subarray(begin, end));
    this.#base.fill(0, count, padded);
    for (let k = 0; k < this.#experts; k++) {
      const plane = this.#planes[k]!;
      plane.set(changes?.[k] ?? experts[k]!.subarray(begin, end));
      // No change, which has no part in a balance.
      plane.fill(0, count, padded);
    }
    const balance = this.#run(this.#experts, padded * 4, index | 0, factor, divisor);
    target?.set(this.#result.subarray(0, count), begin);
    return balance;
  }
}
