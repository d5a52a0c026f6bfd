/** Reads a model whose weights are split over several files by an index. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import type { Tensor } from '../lib/tensor.ts';
import type {
  CheckpointSource,
  StoredCheckpoint,
  TensorInfo,
  TensorLocation,
} from './checkpoint.ts';
import { checkpointError, DAMAGED, shown, tensorMissing } from './fail.ts';
import { openWeights, type OpenOptions } from './open-weights.ts';
import { parseShardIndex, type ShardIndex } from './shard-index.ts';
import { accessError, WeightFile } from './weight-file.ts';

const MAX_INDEX_BYTES = 200_000_000;

class ShardedCheckpoint implements StoredCheckpoint {
  readonly path: string;
  readonly config: unknown;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly warnings: readonly string[];
  readonly source: CheckpointSource;
  readonly #shardOf: ReadonlyMap<string, StoredCheckpoint>;
  readonly #shards: readonly StoredCheckpoint[];

  constructor(path: string, config: unknown, index: ShardIndex, shards: ShardMap) {
    this.path = path;
    this.config = config;
    this.#shards = [...shards.values()];
    const tensors = new Map<string, TensorInfo>();
    const shardOf = new Map<string, StoredCheckpoint>();
    for (const [name, file] of index.shardOf) {
      const shard = shards.get(file)!;
      tensors.set(name, shard.tensors.get(name)!);
      shardOf.set(name, shard);
    }
    this.tensors = tensors;
    this.#shardOf = shardOf;
    // The first shard wins where two say different things.
    this.metadata = new Map(this.#shards.toReversed().flatMap((shard) => [...shard.metadata]));
    this.warnings = [
      ...indexWarnings(index, shards, tensors),
      ...[...shards].flatMap(([file, shard]) => shard.warnings.map((text) => `${file}: ${text}`)),
    ];
    const sources = this.#shards.map(({ source }) => source);
    this.source = {
      format: sources[0]?.format ?? 'an index without shards',
      files: sources.flatMap(({ files }) => files),
      shared: sources.flatMap(({ shared }) => shared),
    };
  }

  async read(name: string): Promise<Tensor> {
    return this.#shard(name).read(name);
  }

  chunks(name: string): AsyncIterable<Uint8Array> {
    return this.#shard(name).chunks(name);
  }

  locate(name: string): TensorLocation | undefined {
    return this.#shard(name).locate(name);
  }

  async verify(name: string): Promise<void> {
    return this.#shard(name).verify(name);
  }

  async close(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.close()));
  }

  #shard(name: string): StoredCheckpoint {
    const shard = this.#shardOf.get(name);
    if (shard !== undefined) return shard;
    throw tensorMissing(this.path, this.tensors.size, name);
  }
}

type ShardMap = ReadonlyMap<string, StoredCheckpoint>;

function indexWarnings(
  index: ShardIndex,
  shards: ShardMap,
  tensors: ReadonlyMap<string, TensorInfo>,
): readonly string[] {
  const warnings: string[] = [];
  for (const [file, shard] of shards) {
    const extra = [...shard.tensors.keys()].filter((name) => !index.shardOf.has(name));
    if (extra.length === 0) continue;
    const first = shown(extra[0]!);
    warnings.push(
      `${file} has ${extra.length} tensors the index does not list ("${first}" first).`,
    );
  }
  const bytes = [...tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  if (index.totalSize !== undefined && index.totalSize !== bytes) {
    warnings.push(`The index says ${index.totalSize} bytes in total; its tensors have ${bytes}.`);
  }
  return warnings;
}

/** Checks that the index and the shards tell the same story about every tensor. */
function checkAgreement(index: ShardIndex, shards: ShardMap, file: string): void {
  const fail = (what: string, tensor: string): never => {
    throw checkpointError('checkpoint.index_mismatch', { what, file, tensor, hint: DAMAGED });
  };
  for (const [name, shardFile] of index.shardOf) {
    if (shards.get(shardFile)?.tensors.has(name)) continue;
    fail(`the index puts the tensor into ${shardFile}, which does not have it`, name);
  }
  for (const [shardFile, shard] of shards) {
    for (const name of shard.tensors.keys()) {
      const listed = index.shardOf.get(name);
      if (listed === undefined || listed === shardFile) continue;
      fail(`${shardFile} has the tensor too, but the index puts it into ${listed}`, name);
    }
  }
}

function isInside(folder: string, file: string): boolean {
  const path = relative(folder, file);
  return path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}

/**
 * The folders shards may really be in: the model's own and, for a folder of the Hugging Face cache
 * (`snapshots/<revision>` full of links), the `blobs` folder of the same repository.
 */
function allowedFolders(folder: string): readonly string[] {
  const parent = dirname(folder);
  const cached = basename(parent) === 'snapshots';
  return cached ? [folder, join(dirname(parent), 'blobs')] : [folder];
}

async function openShard(
  folder: string,
  shard: string,
  index: string,
  options: OpenOptions,
): Promise<StoredCheckpoint> {
  const path = join(folder, shard);
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    const what = `the shard "${shown(shard)}" named by the index cannot be found`;
    const hint = 'download the missing file into the same folder';
    const fault = { what, file: index, hint, cause: await accessError(error, path) };
    throw checkpointError('checkpoint.index_shard_missing', fault);
  }
  if (!allowedFolders(folder).some((allowed) => isInside(allowed, real))) {
    throw checkpointError('checkpoint.index_path', {
      what: `the shard "${shown(shard)}" is a link to a file outside the model's folder`,
      file: index,
      hint: 'copy the file itself into the folder',
    });
  }
  return openWeights(path, options);
}

async function readIndex(path: string): Promise<ShardIndex> {
  const file = await WeightFile.open(path);
  if (file.size > MAX_INDEX_BYTES) {
    const what = `the index has ${file.size} bytes; the limit is ${MAX_INDEX_BYTES}`;
    throw checkpointError('checkpoint.index_invalid', { what, file: path, hint: DAMAGED });
  }
  const bytes = new Uint8Array(file.size);
  await file.readInto(bytes, 0);
  return parseShardIndex(bytes, path, path.endsWith('.bin.index.json') ? '.bin' : '.safetensors');
}

/**
 * Opens a sharded model from its `*.safetensors.index.json` or `*.bin.index.json`. Every shard is validated,
 * must really lie in the index's folder, and must agree with the index. `path` is what the user gave.
 * Throws an AppError `checkpoint.*`.
 */
export async function openSharded(
  indexPath: string,
  config?: unknown,
  path = indexPath,
  options: OpenOptions = {},
): Promise<StoredCheckpoint> {
  const index = await readIndex(indexPath);
  const folder = await realpath(dirname(indexPath));
  const shards = new Map<string, StoredCheckpoint>();
  for (const shard of index.shards) {
    shards.set(shard, await openShard(folder, shard, indexPath, options));
  }
  checkAgreement(index, shards, indexPath);
  return new ShardedCheckpoint(path, config, index, shards);
}
