/**
 * Merging of task vectors by generated vector code, wherever what drops their values can be said as data.
 * It gives the bits of the loops in `merge-task-vectors.ts`, which do the rest.
 */
import { counterKey, type CounterKey } from '../../lib/counter-random.ts';
import { KERNEL_BLOCK, MOST_EXPERTS, type KernelForm } from '../kernels/task-vector-code.ts';
import { TaskVectorKernel } from '../kernels/task-vector-kernel.ts';
import type { Group } from '../method.ts';
import type { TopSet } from '../select-magnitudes.ts';
import type { ElectionRules } from './sign-election.ts';

/** For each expert the probability that a value stays. */
export interface RandomMasking {
  readonly seed: number;
  readonly probabilities: readonly number[];
}

/** How task vectors are thinned out: which values stay, and what those are multiplied by. */
export interface Masking {
  /** For each expert the values that stay, by their magnitude. */
  readonly tops?: readonly TopSet[] | undefined;
  readonly random?: RandomMasking;
  readonly scales?: readonly number[] | undefined;
}

export interface MaskedMerge {
  readonly weights: readonly number[];
  readonly masking: Masking;
  readonly election?: ElectionRules | undefined;
}

const TWO_31 = 2 ** 31;
const TWO_32 = 2 ** 32;
const ALL_BITS = 0x7fffffff;

/** The key of random masks: shared with the loops that make them value by value. */
export function dropKey(seed: number, group: Group, expert: number): CounterKey {
  return counterKey('drop', seed, group.name, expert);
}

/** Memory of a kernel is kept from group to group. */
const kernels = new Map<string, TaskVectorKernel>();

function kernelOf(form: KernelForm, experts: number): TaskVectorKernel {
  const key = JSON.stringify([form, experts]);
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    // Another merge in the same process seldom has the same form.
    if (kernels.size >= 8) kernels.clear();
    kernel = new TaskVectorKernel(form, experts);
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Whether generated code can do it: it counts indices in 32 bits, and experts to a thousand. */
export function canVectorise(group: Group): boolean {
  return group.offset + group.base.length <= TWO_32 && canElect(group);
}

/** The same where it counts no indices. */
export function canElect({ experts }: Group): boolean {
  return experts.length <= MOST_EXPERTS;
}

/** θ0 + λ × (what the experts elect, or their sum / divisor). */
export function mergeMasked(
  group: Group,
  merge: MaskedMerge,
  factor: number,
  divisor: number,
): Float32Array {
  const merged = new Float32Array(group.base.length);
  walk(group, merge, { divided: divisor !== 1, result: 'values' }, (kernel, range) => {
    kernel.run(group, range, merged, factor, divisor);
  });
  return merged;
}

/** How many positions rise less how many fall. */
export function balanceOf(group: Group, merge: MaskedMerge): number {
  let balance = 0;
  walk(group, merge, { divided: false, result: 'balance' }, (kernel, range) => {
    balance += kernel.run(group, range, undefined, 1, 1);
  });
  return balance;
}

/**
 * The same of task vectors that were thinned out elsewhere: `changes` gives those of all experts from `begin` to
 * `end`, about `length` values at a time.
 */
export function mergeThinned(
  group: Group,
  { weights, election }: Pick<MaskedMerge, 'weights' | 'election'>,
  factor: number,
  divisor: number,
  length: number,
  changes: (begin: number, end: number) => readonly Float64Array[],
): Float32Array {
  const { base, experts } = group;
  const merged = new Float32Array(base.length);
  const kernel = kernelOf(
    {
      given: 'changes',
      top: false,
      random: false,
      scaled: false,
      election,
      divided: divisor !== 1,
      result: 'values',
    },
    experts.length,
  );
  weights.forEach((weight, k) => {
    kernel.tell(k, { weight, scale: 1, limit: -1, key: noKey, randomLimit: ALL_BITS });
  });
  for (let first = 0; first < base.length; first += length) {
    const last = Math.min(first + length, base.length);
    const all = changes(first, last);
    for (let begin = first; begin < last; begin += KERNEL_BLOCK) {
      const end = Math.min(begin + KERNEL_BLOCK, last);
      const own = all.map((values) => values.subarray(begin - first, end - first));
      kernel.run(group, { begin, end, index: 0 }, merged, factor, divisor, own);
    }
  }
  return merged;
}

interface KernelRange {
  readonly begin: number;
  readonly end: number;
  readonly index: number;
}

function walk(
  group: Group,
  { weights, masking, election }: MaskedMerge,
  rest: Pick<KernelForm, 'divided' | 'result'>,
  visit: (kernel: TaskVectorKernel, range: KernelRange) => void,
): void {
  const { offset, base, experts } = group;
  const { tops, random, scales } = masking;
  const form: KernelForm = {
    given: 'models',
    top: tops !== undefined,
    random: random !== undefined,
    scaled: scales !== undefined,
    election,
    ...rest,
  };
  const kernel = kernelOf(form, experts.length);
  const keys = experts.map((_, k) =>
    random === undefined ? noKey : dropKey(random.seed, group, k),
  );
  const bounds = cuts(tops ?? [], offset, base.length);
  for (let part = 0; part + 1 < bounds.length; part++) {
    const [first, last] = [bounds[part]!, bounds[part + 1]!];
    experts.forEach((_, k) => {
      kernel.tell(k, {
        weight: weights[k]!,
        scale: scales?.[k] ?? 1,
        limit: limitOf(tops?.[k], offset + first),
        key: keys[k]!,
        randomLimit: randomLimit(random?.probabilities[k] ?? 1),
      });
    });
    for (let begin = first; begin < last; begin += KERNEL_BLOCK) {
      const end = Math.min(begin + KERNEL_BLOCK, last);
      visit(kernel, { begin, end, index: offset + begin });
    }
  }
}

const noKey: CounterKey = [0, 0, 0];

/** Where the limits of top sets change. */
function cuts(tops: readonly TopSet[], offset: number, length: number): number[] {
  const inside = tops
    .map(({ cutoff }) => cutoff - offset)
    .filter((cut) => cut > 0 && cut < length)
    .sort((a, b) => a - b);
  return [0, ...inside, length];
}

/** Behind the cutoff only greater keys stay. */
function limitOf(top: TopSet | undefined, index: number): number {
  if (top === undefined) return -1;
  return Math.max(index < top.cutoff ? top.key - 1 : top.key, -1);
}

/** Of 31 random bits, those up to it are kept. */
export function randomLimit(probability: number): number {
  if (probability >= 1) return ALL_BITS;
  return Math.min(Math.round(probability * TWO_31), ALL_BITS) - 1;
}
