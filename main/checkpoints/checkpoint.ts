/** What every checkpoint reader hands out, whatever the file format. */
import type { Tensor } from '../lib/tensor.ts';
import type { DType } from './dtype.ts';

export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

export interface Checkpoint {
  /** The path the user gave: a file, or a model folder. */
  readonly path: string;
  /** Parsed `config.json` beside the weights; undefined when there is none. */
  readonly config: unknown;
  /** The file's own key-value metadata (safetensors `__metadata__`). */
  readonly metadata: ReadonlyMap<string, string>;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Reads one tensor and converts it to fp32 (F64, F32, F16, BF16; integer types exactly or refused). */
  read(name: string): Promise<Tensor>;
  close(): Promise<void>;
}

/** A checkpoint whose stored bytes can be read as they are, for hashing and copying. */
export interface StoredCheckpoint extends Checkpoint {
  /** Oddities that do not stop the checkpoint from being used, in a person's words. */
  readonly warnings: readonly string[];
  /** The stored bytes of one tensor, unconverted, in pieces of at most 16 MiB. */
  chunks(name: string): AsyncIterable<Uint8Array>;
}
