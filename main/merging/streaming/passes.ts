/** The passes of a method over all tensors, spread over threads so that no sum depends on them. */
import type { Pass } from '../method.ts';
import type { MergedTensorPlan, MergePlan } from '../plan.ts';
import { elementCount } from '../../lib/tensor.ts';
import { piecesOf, type Range } from './pieces.ts';
import type { MergeTotals } from '../method.ts';
import type { LocatedTensor, Tasks } from './protocol.ts';
import type { Sources } from './sources.ts';
import type { ThreadPool } from './thread-pool.ts';

export function mergedTensors({ tensors }: MergePlan): readonly MergedTensorPlan[] {
  return tensors.filter((tensor) => tensor.kind === 'merge');
}

export function totalsOf(plan: MergePlan): MergeTotals {
  const valueCount = mergedTensors(plan).reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { expertCount: plan.settings.settings.length, valueCount };
}

export function passesOf({ method, settings }: MergePlan): readonly Pass[] {
  return method.passes?.(settings.parameters, settings.settings) ?? [];
}

/** What a thread needs to know of a tensor; `located` as `Sources` gives it. */
export function groupRequest(
  plan: MergedTensorPlan,
  located: readonly LocatedTensor[],
  range: Range,
): Tasks['mergeToMemory']['request'] {
  const { name, shape, settings } = plan;
  const experts = located.slice(0, plan.experts.length);
  return { name, shape, settings, range, base: located[plan.experts.length], experts };
}

/** Runs all passes; returns what they found. `done` hears of every range read, `needless` of every one left out. */
export async function runPasses(
  plan: MergePlan,
  pool: ThreadPool,
  sources: Sources,
  done: (plan: MergedTensorPlan, range: Range) => void,
  needless: (plan: MergedTensorPlan, range: Range) => void,
): Promise<unknown> {
  const totals = totalsOf(plan);
  let prepared: unknown;
  for (const [index, pass] of passesOf(plan).entries()) {
    if (prepared !== undefined && pass.needless?.(prepared) === true) {
      for (const tensor of mergedTensors(plan)) needless(tensor, wholeOf(tensor));
      continue;
    }
    const total = pass.begin(totals, prepared);
    const tallies = new TalliesInOrder(pass, total);
    await pool.each(itemsOf(plan, pass), async ({ tensor, position, range, uses }, run) => {
      const tally = await sources.with(tensor, uses, (located) =>
        run('tally', { ...groupRequest(tensor, located, range), pass: index }),
      );
      if (pass.orderFree !== true) tallies.add(position, tally);
      done(tensor, range);
    });
    if (pass.orderFree === true) {
      for (const tally of await pool.all('collect', { pass: index })) pass.combine(total, tally);
    }
    prepared = pass.finish(total, prepared, totals);
    await pool.all('prepare', { prepared });
  }
  return prepared;
}

/** All values of a tensor. */
export function wholeOf({ shape }: MergedTensorPlan): Range {
  return { begin: 0, end: elementCount(shape) };
}

interface PassItem {
  readonly tensor: MergedTensorPlan;
  readonly position: number;
  readonly range: Range;
  readonly uses: number;
}

/** Counts may be made piece by piece; other sums run over a whole tensor in one thread. */
function* itemsOf(plan: MergePlan, pass: Pass): Generator<PassItem> {
  for (const [position, tensor] of mergedTensors(plan).entries()) {
    const ranges =
      pass.orderFree === true ? piecesOf(plan.method.unit, tensor.shape) : [wholeOf(tensor)];
    for (const range of ranges) yield { tensor, position, range, uses: ranges.length };
  }
}

/** Combines tallies in the order of their tensors, whichever comes first. */
class TalliesInOrder {
  readonly #pass: Pass;
  readonly #total: unknown;
  readonly #early = new Map<number, unknown>();
  #next = 0;

  constructor(pass: Pass, total: unknown) {
    this.#pass = pass;
    this.#total = total;
  }

  add(position: number, tally: unknown): void {
    this.#early.set(position, tally);
    while (this.#early.has(this.#next)) {
      this.#pass.combine(this.#total, this.#early.get(this.#next));
      this.#early.delete(this.#next);
      this.#next++;
    }
  }
}
