/** Fetching models: what is missing and how large it is, then the download of that. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writing } from '../lib/durable-file.ts';
import { requireSpace } from '../lib/durable.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { RateWindow } from '../lib/rate.ts';
import {
  blobFolder,
  cachedCommit,
  findSnapshot,
  hasBlob,
  hasFile,
  placeFile,
  snapshotFolder,
  writeRef,
} from './cache.ts';
import type { HubClient } from './client.ts';
import { downloadFile } from './download.ts';
import { listModel, type Listing, type RemoteFile } from './listing.ts';
import { formatHubName, isCommit, type HubName } from './name.ts';
import { partialBytes } from './partial.ts';
import { inParallel } from './pool.ts';

/** Files at once, of all models together. */
const parallelDownloads = 3;
const parallelQuestions = 4;

export interface ModelNeeds {
  readonly name: HubName;
  readonly commit: string;
  readonly listing: Listing | undefined;
  readonly missing: readonly RemoteFile[];
  /** Null for a model that is here and of which the Hub was not asked. */
  readonly totalBytes: number | null;
  readonly missingBytes: number;
  /** Of the missing ones: left by a download that was broken off. */
  readonly begunBytes: number;
}

/**
 * What fetching the models takes, in the order of the names. Without a network, and for commits that are here,
 * the cache answers. Throws `hub.*`.
 */
export async function assess(
  client: HubClient,
  names: readonly HubName[],
  signal?: AbortSignal,
): Promise<readonly ModelNeeds[]> {
  const found = new Map<HubName, ModelNeeds>();
  await inParallel(names, parallelQuestions, signal, async (name, stopped) => {
    found.set(name, await assessOne(client, name, stopped));
  });
  throwIfCancelled(signal);
  return names.map((name) => found.get(name)!);
}

async function assessOne(
  client: HubClient,
  name: HubName,
  signal: AbortSignal,
): Promise<ModelNeeds> {
  const { cacheFolder: cache, offline } = client.settings;
  const settled = offline !== undefined || isCommit(name.revision);
  if (settled && findSnapshot(cache, name) !== undefined) {
    const commit = cachedCommit(cache, name) ?? name.revision;
    const nothing = { missing: [], missingBytes: 0, begunBytes: 0 };
    return { name, commit, listing: undefined, totalBytes: null, ...nothing };
  }
  const listing = await listModel(client, name, signal).catch((error: unknown) => {
    const isOffline = error instanceof AppError && error.code === 'hub.offline';
    throw isOffline ? notHere(name, offline ?? '') : error;
  });
  const { repository } = name;
  const snapshot = snapshotFolder(cache, repository, listing.commit);
  const missing = listing.files.filter(
    ({ name: file, size, checksum }) =>
      !hasFile(snapshot, file, size) && !hasBlob(cache, repository, checksum.hex, size),
  );
  const blobs = blobFolder(cache, repository);
  const begun = await Promise.all(
    missing.map(async ({ checksum, size }) =>
      Math.min(size, await partialBytes(blobs, checksum.hex)),
    ),
  );
  return {
    name,
    commit: listing.commit,
    listing,
    missing,
    totalBytes: sum(listing.files.map(({ size }) => size)),
    missingBytes: sum(missing.map(({ size }) => size)),
    begunBytes: sum(begun),
  };
}

/** The error of a model that is not on this machine while nothing may be asked of the network. */
function notHere(name: HubName, reason: string): AppError {
  return new AppError('hub.offline', {
    what: `"${formatHubName(name)}" is not on this machine, and nothing is downloaded because ${reason}`,
    hint: 'allow the network, or leave the model out',
  });
}

export interface FetchProgress {
  readonly done: number;
  readonly total: number;
  readonly bytesPerSecond: number;
  /** Null before it can be told. */
  readonly secondsLeft: number | null;
  /** Files in transfer: "owner/name file". */
  readonly current: readonly string[];
}

export interface FetchedModel {
  readonly name: HubName;
  readonly commit: string;
  /** Its folder. */
  readonly path: string;
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: FetchProgress) => void;
}

/**
 * Downloads what is missing and puts it into the cache; a model appears there when all of it is there and
 * checked. What is done of a download that fails or is cancelled is kept, and gone on with the next time.
 * Throws `hub.*`, `file.disk_full` before anything is written, `file.write_failed` and CancelledError.
 */
export async function fetchModels(
  client: HubClient,
  needs: readonly ModelNeeds[],
  { signal, onProgress }: FetchOptions = {},
): Promise<readonly FetchedModel[]> {
  const { cacheFolder: cache } = client.settings;
  const total = sum(needs.map(({ missingBytes }) => missingBytes));
  const begun = sum(needs.map(({ begunBytes }) => begunBytes));
  throwIfCancelled(signal);
  if (total > 0) {
    await writing(cache, mkdir(cache, { recursive: true }));
    await requireSpace(cache, total - begun, cache);
  }
  const tally = new Tally(total, onProgress);
  const orders = needs.flatMap(({ name, commit, missing }) =>
    missing.map((file) => ({
      address: client.address(...name.repository.split('/'), 'resolve', commit, file.name),
      subject: { model: name.repository, revision: commit, file: file.name },
      owner: name.repository,
      file,
      blobs: blobFolder(cache, name.repository),
    })),
  );
  await inParallel(orders, parallelDownloads, signal, async (order, stopped) => {
    const title = `${order.owner} ${order.file.name}`;
    tally.begin(title);
    await downloadFile(client, order, { signal: stopped, onBytes: (bytes) => tally.add(bytes) });
    tally.end(title);
  });
  throwIfCancelled(signal);
  for (const one of needs) await publish(cache, one);
  return needs.map(({ name, commit }) => ({
    name,
    commit,
    path: snapshotFolder(cache, name.repository, commit),
  }));
}

/** Makes the files of a commit appear in its snapshot, the weights last. */
async function publish(cache: string, { name, commit, listing }: ModelNeeds): Promise<void> {
  if (listing === undefined) return;
  const snapshot = snapshotFolder(cache, name.repository, commit);
  for (const { name: file, checksum } of listing.files) {
    await placeFile(snapshot, file, join(blobFolder(cache, name.repository), checksum.hex));
  }
  await writeRef(cache, name, commit);
}

class Tally {
  #done = 0;
  readonly #total: number;
  readonly #current: string[] = [];
  readonly #rate = new RateWindow(performance.now());
  readonly #onProgress: FetchOptions['onProgress'];

  constructor(total: number, onProgress: FetchOptions['onProgress']) {
    this.#total = total;
    this.#onProgress = onProgress;
  }

  begin(title: string): void {
    this.#current.push(title);
    this.#tell();
  }

  add(bytes: number): void {
    this.#done += bytes;
    this.#tell();
  }

  end(title: string): void {
    this.#current.splice(this.#current.indexOf(title), 1);
    this.#tell();
  }

  #tell(): void {
    if (this.#onProgress === undefined) return;
    const now = performance.now();
    this.#rate.add(now, this.#done);
    const { ms, count } = this.#rate.until(now, this.#done);
    const bytesPerSecond = ms > 0 ? Math.max(0, (1000 * count) / ms) : 0;
    const rest = this.#total - this.#done;
    this.#onProgress({
      done: this.#done,
      total: this.#total,
      bytesPerSecond,
      secondsLeft: bytesPerSecond > 0 ? rest / bytesPerSecond : null,
      current: [...this.#current],
    });
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
