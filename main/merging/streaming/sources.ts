/**
 * Where threads find the bytes of a tensor. Most lie in a file of the checkpoint; what has to be computed
 * (adapters, views, other byte orders) is computed here, a tensor at a time, into a file that lives until
 * the last piece has been made of it.
 */
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredCheckpoint, TensorLocation } from '../../checkpoints/checkpoint.ts';
import { writing } from '../../lib/durable.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
import type { TensorPlan, TensorSource } from '../plan.ts';
import type { LocatedTensor } from './protocol.ts';

interface Held {
  readonly located: Promise<readonly LocatedTensor[]>;
  /** How many pieces are still to be made of it. */
  left: number;
}

/** The tensors a tensor of the result is made of: experts in their order, then the base. */
function sourcesOf(plan: TensorPlan): readonly TensorSource[] {
  if (plan.kind !== 'merge') return [plan.from];
  return plan.base === undefined ? plan.experts : [...plan.experts, plan.base];
}

export class Sources {
  readonly #checkpoints: readonly StoredCheckpoint[];
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;
  readonly #held = new Map<TensorPlan, Held>();
  #files = 0;

  /** Computed tensors lie in `folder` while they are needed. */
  constructor(
    checkpoints: readonly StoredCheckpoint[],
    folder: string,
    signal: AbortSignal | undefined,
  ) {
    this.#checkpoints = checkpoints;
    this.#folder = folder;
    this.#signal = signal;
  }

  /** To be called `uses` times for the same tensor: its sources are located once for all of them. */
  async with<T>(
    plan: TensorPlan,
    uses: number,
    work: (located: readonly LocatedTensor[]) => Promise<T>,
  ): Promise<T> {
    let held = this.#held.get(plan);
    if (held === undefined) {
      held = { located: this.#locateAll(sourcesOf(plan)), left: uses };
      this.#held.set(plan, held);
    }
    const located = await held.located;
    const result = await work(located);
    if (--held.left === 0) {
      this.#held.delete(plan);
      for (const { temporary, location } of located) {
        if (temporary) await rm(location.file, { force: true });
      }
    }
    return result;
  }

  async #locateAll(sources: readonly TensorSource[]): Promise<LocatedTensor[]> {
    const located: LocatedTensor[] = [];
    for (const source of sources) located.push(await this.#locate(source));
    return located;
  }

  async #locate({ checkpoint: index, tensor }: TensorSource): Promise<LocatedTensor> {
    throwIfCancelled(this.#signal);
    const checkpoint = this.#checkpoints[index];
    if (checkpoint === undefined) throw new Error(`the plan has no checkpoint ${index}`);
    await checkpoint.verify(tensor);
    const stored = checkpoint.locate(tensor);
    const location = stored ?? (await this.#compute(checkpoint, tensor));
    return { location, checkpoint: checkpoint.path, tensor, temporary: stored === undefined };
  }

  async #compute(checkpoint: StoredCheckpoint, tensor: string): Promise<TensorLocation> {
    await writing(this.#folder, mkdir(this.#folder, { recursive: true }));
    const path = join(this.#folder, String(this.#files++));
    const handle = await writing(path, open(path, 'w'));
    let end = 0;
    try {
      for await (const chunk of checkpoint.chunks(tensor)) {
        throwIfCancelled(this.#signal);
        await writing(path, handle.appendFile(chunk));
        end += chunk.byteLength;
      }
    } finally {
      await handle.close();
    }
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    const { dtype } = checkpoint.tensors.get(tensor)!;
    return { file: path, begin: 0, end, dtype, identity: { dev, ino, size, mtimeNs } };
  }
}
