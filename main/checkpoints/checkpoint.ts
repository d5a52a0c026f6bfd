/** What every checkpoint reader hands out, whatever the file format. */
import type { Tensor } from '../lib/tensor.ts';
import type { DType } from './dtype.ts';
import type { FileIdentity } from './weight-file.ts';

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

/** Where the stored bytes of a tensor lie, as one range of one file. It can be sent to another thread. */
export interface TensorLocation {
  readonly file: string;
  /** First byte, counted from the start of the file. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
  readonly dtype: DType;
  /**
   * Which version of the file the range is true of. Whoever reads the range on its own must compare:
   * `new WeightFile(file, identity)` does, or `requireSameFile` with the stats of the open descriptor,
   * before the first and after the last read.
   */
  readonly identity: FileIdentity;
}

/** What a checkpoint was read from. */
export interface CheckpointSource {
  /** In a person's words. */
  readonly format: string;
  /** The weight files, in the order of their first use. */
  readonly files: readonly string[];
  /** Groups of names whose tensors share bytes in the file; each is written on its own. */
  readonly shared: readonly (readonly string[])[];
}

/** A checkpoint whose stored bytes can be read as they are, for hashing and copying. */
export interface StoredCheckpoint extends Checkpoint {
  /** Oddities that do not stop the checkpoint from being used, in a person's words. */
  readonly warnings: readonly string[];
  readonly source: CheckpointSource;
  /** The stored bytes of one tensor, unconverted, in pieces of at most 16 MiB. */
  chunks(name: string): AsyncIterable<Uint8Array>;
  /**
   * The fast path of a streaming reader: where the bytes that `chunks` gives (row-major, little-endian,
   * without gaps) lie in a file. Undefined where they are computed (views, big-endian files, adapters)
   * and, where the format has checksums, until `verify` has compared them.
   */
  locate(name: string): TensorLocation | undefined;
  /**
   * Compares the checksum of the bytes of one tensor, where the format has one (PyTorch's zip form); reads
   * them through once. `read` and `chunks` do it by themselves; call it before `locate`. Throws
   * `checkpoint.checksum_mismatch`.
   */
  verify(name: string): Promise<void>;
}
