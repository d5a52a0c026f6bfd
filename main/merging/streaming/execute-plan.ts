/**
 * Carries out a merge plan: a folder with the merged model appears at its place when it is complete,
 * synced and read back, and not before. Threads read, merge, round and write piece by piece under a memory
 * ceiling; nothing about threads, pieces, tiles or shards changes a byte of a tensor.
 */
import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import manifest from '../../../package.json' with { type: 'json' };
import { layoutSafetensors } from '../../checkpoints/writer.ts';
import { atFinalPlace, folderPlace, publishFolderDurably, writing } from '../../lib/durable.ts';
import { CancelledError, throwIfCancelled } from '../../lib/errors.ts';
import type { MergePlan } from '../plan.ts';
import { budgetOf, defaultCeiling, type Budget } from './budget.ts';
import { mergeIdentity } from './identity.ts';
import { layOutput, type OutputLayout } from './output-layout.ts';
import { describeParents, hashCachePath, hashParents, type Parent } from './parent-hashes.ts';
import { totalsOf } from './passes.ts';
import { ProgressMeter, type StreamProgress } from './progress.ts';
import type { MergeThreadData, WrittenPiece } from './protocol.ts';
import { fileMetadata } from './provenance.ts';
import { ReadBack } from './read-back.ts';
import { writeCompanions, type WeightFileReport } from './result-files.ts';
import { Sources } from './sources.ts';
import { ThreadPool } from './thread-pool.ts';
import { bytesToMove, mergePieces, preparePasses } from './work.ts';
import {
  allocateFiles,
  discardWorkspace,
  keepWorkspace,
  openWorkspace,
  type Workspace,
} from './workspace.ts';

/** As Hugging Face splits large models. */
const SHARD_BYTES = 5_000_000_000;

export interface ExecuteOptions {
  /** As many as the machine has processors where not given; fewer where memory does not allow them. */
  readonly threads?: number | undefined;
  /** The smaller of 4 GiB and half of what is free where not given. */
  readonly ceilingBytes?: number | undefined;
  readonly shardBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StreamProgress) => void) | undefined;
  /**
   * Goes on with the same merge where it was killed or cancelled, and keeps what a cancelled one has done.
   * Without it a merge begins anew, and cancelling leaves nothing.
   */
  readonly resume?: boolean | undefined;
  /** Allows replacing a folder that an earlier merge wrote. */
  readonly overwrite?: boolean | undefined;
  /** Where hashes of checkpoints are remembered. */
  readonly hashCache?: string | undefined;
}

export interface MergeOutcome {
  /** The folder that was written. */
  readonly path: string;
  readonly files: readonly WeightFileReport[];
  /** Bytes of all tensors. */
  readonly totalBytes: number;
  readonly parents: readonly Parent[];
  readonly budget: Budget;
  /** Whether an earlier, interrupted merge was gone on with. */
  readonly resumed: boolean;
  readonly seconds: number;
}

/**
 * Throws AppError `merge.memory_ceiling` before anything is read or written, `merge.non_finite`,
 * `merge.worker_failed`, `checkpoint.*` and `file.*`, and CancelledError. After a failure the target is as
 * it was and nothing is left beside it; after a kill, and (with `resume`) after cancelling, the unfinished
 * folder stays for the next merge.
 */
export async function executePlan(
  plan: MergePlan,
  target: string,
  options: ExecuteOptions = {},
): Promise<MergeOutcome> {
  const begun = performance.now();
  const { signal, overwrite = false, resume = false } = options;
  throwIfCancelled(signal);
  const budget = budgetOf(plan, {
    threads: options.threads ?? availableParallelism(),
    ceilingBytes: options.ceilingBytes ?? defaultCeiling(),
  });
  const place = await folderPlace(target, overwrite);
  const provenance = {
    plan,
    version: manifest.version,
    parents: await describeParents(plan.checkpoints),
  };
  const layout = layOutput(plan, options.shardBytes ?? SHARD_BYTES, fileMetadata(provenance));
  const identity = await mergeIdentity(plan, layout, manifest.version);
  const workspace = await openWorkspace(place, identity, resume);
  const execution = new Execution(plan, layout, workspace, budget, options);
  try {
    const { parents, files } = await execution.run(place);
    await writeCompanions(workspace, { ...provenance, parents }, layout, files, signal);
    await publishFolderDurably(workspace.folder, target, { signal, overwrite });
    const seconds = (performance.now() - begun) / 1000;
    const resumed = workspace.earlier !== undefined;
    const { totalBytes } = layout;
    return { path: target, files, totalBytes, parents, budget, resumed, seconds };
  } catch (error) {
    await execution.stop();
    const cancelled = signal?.aborted === true;
    if (cancelled && resume) keepWorkspace(workspace);
    else await discardWorkspace(workspace);
    throw cancelled ? new CancelledError() : atFinalPlace(error, workspace.folder, target);
  }
}

/** The threads of one merge and what they share. */
class Execution {
  readonly #plan: MergePlan;
  readonly #layout: OutputLayout;
  readonly #workspace: Workspace;
  readonly #options: ExecuteOptions;
  readonly #workers: ThreadPool;
  readonly #checker: ThreadPool;

  constructor(
    plan: MergePlan,
    layout: OutputLayout,
    workspace: Workspace,
    budget: Budget,
    options: ExecuteOptions,
  ) {
    this.#plan = plan;
    this.#layout = layout;
    this.#workspace = workspace;
    this.#options = options;
    const data: MergeThreadData = {
      method: plan.method.id,
      settings: plan.settings,
      seed: plan.seed,
      totals: totalsOf(plan),
      tileValues: budget.tileValues,
      productThreads: budget.productThreads,
    };
    this.#workers = new ThreadPool(budget.threads, data);
    this.#checker = new ThreadPool(1, data);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#workers.stop(), this.#checker.stop()]);
  }

  /** Fills the weight files; every thread is gone afterwards. */
  async run(place: string): Promise<{ parents: Parent[]; files: WeightFileReport[] }> {
    const { signal } = this.#options;
    const abort = () => void this.stop();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await this.#fill(place);
    } finally {
      signal?.removeEventListener('abort', abort);
      await this.stop();
    }
  }

  async #fill(place: string): Promise<{ parents: Parent[]; files: WeightFileReport[] }> {
    const { signal, onProgress, hashCache = hashCachePath() } = this.#options;
    const [plan, layout, workspace] = [this.#plan, this.#layout, this.#workspace];
    await allocateFiles(workspace, layout.shards, place);
    const pathOf = (shard: number) => join(workspace.folder, layout.shards[shard]?.name ?? '');
    const readBack = new ReadBack(this.#checker, layout, pathOf);
    const sources = new Sources(plan.checkpoints, workspace.scratch, signal);
    const meter = new ProgressMeter(bytesToMove(plan, layout), onProgress);
    const shared = { plan, layout, workspace, pathOf, sources, meter, pool: this.#workers };
    const [parents] = await Promise.all([
      hashParents(plan.checkpoints, this.#checker, hashCache).then(async (hashed) => {
        readBack.begin(await this.#writeHeaders(hashed, pathOf));
        return hashed;
      }),
      preparePasses(shared).then(() =>
        mergePieces(shared, (index, piece) => readBack.written(index, piece)),
      ),
    ]);
    const hashes = await readBack.finish();
    // Before the journal goes: this may take long, and a merge killed meanwhile can still go on.
    for (const index of layout.shards.keys()) await syncFile(pathOf(index));
    const files = layout.shards.map(({ name, byteLength }, index) => ({
      name,
      bytes: byteLength,
      sha256: hashes[index] ?? '',
    }));
    return { parents, files };
  }

  async #writeHeaders(
    parents: readonly Parent[],
    pathOf: (shard: number) => string,
  ): Promise<WrittenPiece[]> {
    const metadata = fileMetadata({ plan: this.#plan, version: manifest.version, parents });
    const written: WrittenPiece[] = [];
    for (const [index, shard] of this.#layout.shards.entries()) {
      const { prefixAndHeader: bytes } = layoutSafetensors(shard.name, shard.tensors, metadata);
      if (bytes.byteLength !== shard.headerBytes) throw new Error('the header changed its length');
      const handle = await writing(pathOf(index), open(pathOf(index), 'r+'));
      try {
        await writing(pathOf(index), handle.write(bytes, 0, bytes.byteLength, 0));
      } finally {
        await handle.close();
      }
      written.push({ bytes: bytes.byteLength, crc32: crc32(bytes) });
    }
    return written;
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await writing(path, open(path, 'r+'));
  try {
    await writing(path, handle.sync());
  } finally {
    await handle.close();
  }
}
