/** What the main thread and the threads of a merge tell each other; plain data that can be cloned. */
import type { TensorLocation } from '../../checkpoints/checkpoint.ts';
import type { OutputDType } from '../../checkpoints/writer.ts';
import type { ErrorCode } from '../../lib/error-codes.ts';
import type { MergeTotals } from '../method.ts';
import type { MethodSettings } from '../settings.ts';
import type { Range } from './pieces.ts';

/** Given to a thread when it starts. */
export interface MergeThreadData {
  /** Undefined for a thread that only copies and hashes. */
  readonly method: string | undefined;
  /** Of the whole merge; they decide which passes there are. */
  readonly settings: MethodSettings;
  readonly seed: number;
  readonly totals: MergeTotals;
  readonly tileValues: number;
  /** That work on one matrix product. */
  readonly productThreads: number;
}

/** A tensor to be read: where its bytes lie, and what to call it in errors. */
export interface LocatedTensor {
  readonly location: TensorLocation;
  /** The path the user gave. */
  readonly checkpoint: string;
  readonly tensor: string;
  /** The file is removed when it is no longer needed: nobody keeps it open. */
  readonly temporary: boolean;
}

interface GroupTask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly range: Range;
  readonly base: LocatedTensor | undefined;
  readonly experts: readonly LocatedTensor[];
  readonly settings: MethodSettings;
}

/** Where a piece of the result goes; `position` is that of its first byte. */
export interface Destination {
  readonly file: string;
  readonly position: number;
}

export interface WrittenPiece {
  readonly bytes: number;
  readonly crc32: number;
}

/** Bytes of the result whose checksum is known. */
export interface CheckedRange {
  readonly position: number;
  readonly bytes: number;
  readonly crc32: number;
}

/** Everything a thread can be asked to do, with what it answers. */
export interface Tasks {
  /** What the passes before found, for those after. */
  prepare: { request: { readonly prepared: unknown }; answer: undefined };
  /** Adds a range to a new tally, or (for passes free of order) to the thread's own. */
  tally: { request: GroupTask & { readonly pass: number }; answer: unknown };
  /** The thread's own tally of a pass free of order. */
  collect: { request: { readonly pass: number }; answer: unknown };
  merge: {
    request: GroupTask & { readonly dtype: OutputDType; readonly to: Destination };
    answer: WrittenPiece;
  };
  /** Merged values as fp32, handed over instead of written. */
  mergeToMemory: { request: GroupTask; answer: Float32Array };
  cast: {
    request: {
      readonly from: LocatedTensor;
      readonly shape: readonly number[];
      readonly range: Range;
      readonly dtype: OutputDType;
      readonly to: Destination;
    };
    answer: WrittenPiece;
  };
  /** Stored bytes as they are; `begin` and `end` count within the tensor. */
  copy: {
    request: {
      readonly from: LocatedTensor;
      readonly begin: number;
      readonly end: number;
      readonly to: Destination;
    };
    answer: WrittenPiece;
  };
  checksum: {
    request: { readonly file: string; readonly position: number; readonly bytes: number };
    answer: number;
  };
  /**
   * Reads on where the last digest of this file ended, compares the checksums, and says the sha-256 (hex)
   * so far when `last` is set.
   */
  digest: {
    request: {
      readonly file: string;
      readonly ranges: readonly CheckedRange[];
      readonly last: boolean;
    };
    answer: string | undefined;
  };
  /** The sha-256 (hex) of a whole file, which must stay the same meanwhile. */
  hashFile: {
    request: { readonly file: string; readonly identity: TensorLocation['identity'] };
    answer: string;
  };
}

export type TaskKind = keyof Tasks;
export type Task = {
  [Kind in TaskKind]: { readonly kind: Kind; readonly request: Tasks[Kind]['request'] };
}[TaskKind];

export interface Order {
  readonly id: number;
  readonly task: Task;
}

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: ThreadFailure };

/** An error on its way from a thread. */
export type ThreadFailure =
  | {
      readonly code: ErrorCode;
      readonly what: string;
      readonly where?: string;
      readonly hint: string;
    }
  | { readonly bug: string };
