/**
 * The memory of a merge before it begins: how many threads and how large tiles fit under the ceiling.
 * Every buffer that a thread holds at a time is counted, and what a thread costs without any.
 */
import { freemem } from 'node:os';
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import { AppError } from '../../lib/errors.ts';
import { elementCount } from '../../lib/tensor.ts';
import type { MergePlan, TensorPlan, TensorSource } from '../plan.ts';
import { passesOf, totalsOf } from './passes.ts';
import { unitValues, type Unit } from './pieces.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** A thread with its code and heap, before it has read anything; the process itself costs as much. */
const THREAD_BYTES = 64 * MIB;
/** A tile that the caches of a processor hold is worked on fastest. */
const BEST_TILE_VALUES = 64 * 1024;
const LEAST_TILE_VALUES = 2 * 1024;
/** Bytes copied at a time. */
export const COPY_BYTES = 4 * MIB;

/** Working memory of a method in fp64 values per value of a tensor, by what it sees at a time. */
const scratchValues: Readonly<Record<Unit, (models: number) => number>> = {
  value: () => 1,
  // Changes of all experts, and what ranking a row takes.
  row: (models) => models + 4,
  tensor: (models) => 2 * models + 2,
};

export interface Budget {
  readonly threads: number;
  /** Threads that each of them has for one matrix product: the cores that memory leaves without a thread. */
  readonly productThreads: number;
  /** At most so many values of every model at a time, unless a single row or tensor has more. */
  readonly tileValues: number;
  /** What the whole merge takes at most, in bytes. */
  readonly peakBytes: number;
}

export interface BudgetOptions {
  readonly threads: number;
  readonly ceilingBytes: number;
}

/** The smaller of 4 GiB and half of what is free. */
export function defaultCeiling(): number {
  return Math.min(4 * GIB, Math.floor(freemem() / 2));
}

function sourcesOf(tensor: TensorPlan): readonly TensorSource[] {
  if (tensor.kind !== 'merge') return [tensor.from];
  return tensor.base === undefined ? tensor.experts : [tensor.base, ...tensor.experts];
}

/** Bytes held for each value of a tile of this tensor. */
function bytesPerValue(plan: MergePlan, tensor: TensorPlan, unit: Unit): number {
  if (tensor.kind === 'copy') return 0;
  const stored = sourcesOf(tensor).map(({ checkpoint, tensor: name }) => {
    const dtype = plan.checkpoints[checkpoint]?.tensors.get(name)?.dtype ?? 'F32';
    return bitsPerElement(dtype) / 8;
  });
  const out = bitsPerElement(tensor.dtype) / 8;
  const models = tensor.kind === 'merge' ? tensor.experts.length + 1 : 1;
  const scratch = tensor.kind === 'merge' ? scratchValues[unit](models) : 0;
  return 4 * (models + 1) + Math.max(...stored) + out + 8 * scratch;
}

/** The tensor whose smallest part needs the most memory. */
function heaviest(plan: MergePlan): { name: string; bytes: number; perValue: number } {
  let most = { name: '', bytes: COPY_BYTES, perValue: 0 };
  for (const tensor of plan.tensors) {
    if (tensor.kind === 'copy') continue;
    const unit = tensor.kind === 'merge' ? plan.method.unit : 'value';
    const perValue = bytesPerValue(plan, tensor, unit);
    const least = Math.max(
      unitValues(unit, tensor.shape),
      Math.min(LEAST_TILE_VALUES, elementCount(tensor.shape)),
    );
    const bytes = perValue * least;
    if (bytes > most.bytes) most = { name: tensor.name, bytes, perValue: most.perValue };
    if (perValue > most.perValue) most = { ...most, perValue };
  }
  return most;
}

/** What a thread counts with in a pass, at most; it is handed over to the main thread, which adds it to its own. */
function tallyBytes(plan: MergePlan): number {
  const totals = totalsOf(plan);
  return Math.max(0, ...passesOf(plan).map((pass) => pass.tallyBytes?.(totals) ?? 0));
}

/**
 * Chooses threads and tiles so that the ceiling is kept: smaller tiles first, then fewer threads. Throws
 * `merge.memory_ceiling` when a single thread with the smallest tiles needs more, before anything is read.
 */
export function budgetOf(plan: MergePlan, { threads, ceilingBytes }: BudgetOptions): Budget {
  const most = heaviest(plan);
  const tally = tallyBytes(plan);
  // The main thread and the one that reads back what was written.
  const fixed = 2 * THREAD_BYTES + COPY_BYTES + tally;
  const thread = THREAD_BYTES + tally;
  const least = fixed + thread + most.bytes;
  if (least > ceilingBytes) {
    throw new AppError('merge.memory_ceiling', {
      what: `method "${plan.method.id}" needs ${mebibytes(least)} of memory, ${mebibytes(ceilingBytes)} are allowed`,
      where: most.name === '' ? 'the merge' : `tensor "${most.name}"`,
      hint: `allow at least ${mebibytes(least)}, close other programs, or choose a method that works in smaller parts`,
    });
  }
  const wanted = Math.max(threads, 1);
  const fitting = Math.floor((ceilingBytes - fixed) / (thread + most.bytes));
  const chosen = Math.min(wanted, fitting);
  const share = (ceilingBytes - fixed) / chosen - thread;
  const tileValues = Math.max(
    Math.min(BEST_TILE_VALUES, Math.floor(share / Math.max(most.perValue, 1))),
    LEAST_TILE_VALUES,
  );
  const tile = Math.max(most.bytes, most.perValue * tileValues);
  const productThreads = Math.floor(wanted / chosen);
  return {
    threads: chosen,
    productThreads,
    tileValues,
    peakBytes: fixed + chosen * (thread + tile),
  };
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`;
}
