/** A checkpoint some of whose tensors go on with the rows of another model's tensor of that name. */
import type {
  CheckpointSource,
  StoredCheckpoint,
  TensorInfo,
  TensorLocation,
} from '../../checkpoints/checkpoint.ts';
import { readFp32 } from '../../checkpoints/fp32.ts';
import type { Tensor } from '../../lib/tensor.ts';

/** The rows a tensor lacks, by its name: a tensor of the same dtype and row length. */
export interface MissingRows {
  readonly from: StoredCheckpoint;
  readonly tensor: string;
}

class JoinedRows implements StoredCheckpoint {
  readonly path: string;
  readonly config: unknown;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly warnings: readonly string[];
  readonly source: CheckpointSource;
  readonly #stored: StoredCheckpoint;
  readonly #missing: ReadonlyMap<string, MissingRows>;

  constructor(stored: StoredCheckpoint, missing: ReadonlyMap<string, MissingRows>) {
    this.#stored = stored;
    this.#missing = missing;
    this.path = stored.path;
    this.config = stored.config;
    this.metadata = stored.metadata;
    this.warnings = stored.warnings;
    this.source = stored.source;
    const tensors = new Map(stored.tensors);
    for (const [name, { from, tensor }] of missing) {
      const { shape, byteLength } = from.tensors.get(tensor)!;
      tensors.set(name, { ...stored.tensors.get(name)!, shape, byteLength });
    }
    this.tensors = tensors;
  }

  async read(name: string): Promise<Tensor> {
    if (!this.#missing.has(name)) return this.#stored.read(name);
    return readFp32(this.tensors.get(name)!, this.path, { chunks: () => this.chunks(name) });
  }

  async *chunks(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#stored.chunks(name);
    const rest = this.#missing.get(name);
    if (rest === undefined) return;
    let skip = this.#stored.tensors.get(name)!.byteLength;
    for await (const chunk of rest.from.chunks(rest.tensor)) {
      // A copy where the cut is inside of a chunk: converters need aligned elements.
      if (skip < chunk.byteLength) yield skip === 0 ? chunk : chunk.slice(skip);
      skip = Math.max(skip - chunk.byteLength, 0);
    }
  }

  locate(name: string): TensorLocation | undefined {
    return this.#missing.has(name) ? undefined : this.#stored.locate(name);
  }

  async verify(name: string): Promise<void> {
    await this.#stored.verify(name);
    const rest = this.#missing.get(name);
    if (rest !== undefined) await rest.from.verify(rest.tensor);
  }

  async close(): Promise<void> {
    await this.#stored.close();
  }
}

/** The checkpoint with the tensors of `missing` as long as those they go on with. */
export function withRows(
  checkpoint: StoredCheckpoint,
  missing: ReadonlyMap<string, MissingRows>,
): StoredCheckpoint {
  return missing.size === 0 ? checkpoint : new JoinedRows(checkpoint, missing);
}
