/** Parses `model.safetensors.index.json` (or `pytorch_model.bin.index.json`), which says in which shard each tensor is. */
import { isUtf8 } from 'node:buffer';
import type { ErrorCode } from '../lib/error-codes.ts';
import { checkpointError, DAMAGED, REWRITE, shown } from './fail.ts';
import { nameProblem } from './header.ts';
import { JsonScanner } from './json-scanner.ts';

export interface ShardIndex {
  /** Tensor name to shard file name, in the order of the index. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Distinct shards, in order of first use. */
  readonly shards: readonly string[];
  /** Bytes of all tensors together, where the index says so. */
  readonly totalSize: number | undefined;
}

const MAX_SHARDS = 10_000;
const windowsDevice = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** Why a shard's file name is refused; undefined for a plain name inside the model's folder. */
function shardNameProblem(name: string, ending: string): string | undefined {
  if (/[/\\]/.test(name) || name.startsWith('..')) return 'it leads to another folder';
  if (name.includes(':')) return 'it is an address or names a drive';
  if (/[\p{C}\p{Zl}\p{Zp}<>"|?*]/u.test(name)) return 'it has characters no file name may have';
  if (windowsDevice.test(name)) return 'it is reserved for a device';
  if (!name.endsWith(ending)) return `it does not end in ${ending}`;
  if (name === ending) return 'it is an ending without a name';
  if (Buffer.byteLength(name) > 255) return 'it is too long';
  return undefined;
}

class IndexParser {
  readonly #file: string;
  readonly #ending: string;
  readonly #scanner: JsonScanner;
  readonly #shardOf = new Map<string, string>();
  readonly #shards = new Set<string>();
  #totalSize: number | undefined;

  constructor(bytes: Uint8Array, file: string, ending: string) {
    this.#file = file;
    this.#ending = ending;
    this.#scanner = new JsonScanner(bytes, (problem) =>
      this.#fail('checkpoint.index_invalid', `the index is not valid JSON: ${problem}`),
    );
  }

  parse(): ShardIndex {
    const seen = new Set<string>();
    this.#requireObject('the index');
    this.#scanner.object((key) => {
      if (seen.has(key)) {
        this.#fail('checkpoint.duplicate_key', `the index has "${shown(key)}" twice`);
      }
      seen.add(key);
      if (key === 'weight_map') this.#readWeightMap();
      else if (key === 'metadata') this.#readMetadata();
      else this.#scanner.skipValue();
    });
    this.#scanner.end();
    if (!seen.has('weight_map')) this.#fail('checkpoint.index_invalid', 'it has no weight_map');
    return { shardOf: this.#shardOf, shards: [...this.#shards], totalSize: this.#totalSize };
  }

  #fail(code: ErrorCode, what: string, tensor?: string): never {
    throw checkpointError(code, { what, file: this.#file, tensor, hint: REWRITE });
  }

  #requireObject(what: string): void {
    const kind = this.#scanner.kind();
    if (kind === 'object') return;
    this.#fail('checkpoint.index_invalid', `${what} is of the kind "${kind}", not an object`);
  }

  #readMetadata(): void {
    if (this.#scanner.kind() !== 'object') return this.#scanner.skipValue();
    this.#scanner.object((key) => {
      if (key !== 'total_size' || this.#scanner.kind() !== 'number') this.#scanner.skipValue();
      else this.#totalSize = Number(this.#scanner.number());
    });
  }

  #readWeightMap(): void {
    this.#requireObject('weight_map');
    this.#scanner.object((name) => {
      const problem = nameProblem(name);
      if (problem !== undefined) {
        const what = `the tensor name is not accepted: ${problem}`;
        this.#fail('checkpoint.name_invalid', what, name);
      }
      if (this.#shardOf.has(name)) {
        this.#fail('checkpoint.duplicate_tensor', 'the index lists the same tensor twice', name);
      }
      this.#shardOf.set(name, this.#readShardName(name));
    });
  }

  #readShardName(tensor: string): string {
    const kind = this.#scanner.kind();
    if (kind !== 'string') {
      const what = `the shard of the tensor is of the kind "${kind}", not a file name`;
      this.#fail('checkpoint.index_invalid', what, tensor);
    }
    const shard = this.#scanner.string();
    if (!this.#shards.has(shard)) {
      const problem = shardNameProblem(shard, this.#ending);
      if (problem !== undefined) {
        const what = `the shard name "${shown(shard)}" is not accepted: ${problem}`;
        this.#fail('checkpoint.index_path', what, tensor);
      }
      if (this.#shards.size === MAX_SHARDS) {
        const what = `the index names more than ${MAX_SHARDS} shards`;
        this.#fail('checkpoint.index_too_many', what, tensor);
      }
      this.#shards.add(shard);
    }
    return shard;
  }
}

/**
 * Parses a shard index; `file` is named in errors, `ending` is what every shard's name must end in.
 * Throws an AppError `checkpoint.*`.
 */
export function parseShardIndex(
  bytes: Uint8Array,
  file: string,
  ending = '.safetensors',
): ShardIndex {
  if (!isUtf8(bytes)) {
    const what = 'the index is not UTF-8 text';
    throw checkpointError('checkpoint.index_invalid', { what, file, hint: DAMAGED });
  }
  return new IndexParser(bytes, file, ending).parse();
}
