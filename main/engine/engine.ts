/** What every engine offers; programs and tensors in, tensors out. */
import type { Program } from '../graph/program.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';

export type EngineId =
  'onnx' | 'onnx-webgpu' | 'onnx-cuda' | 'onnx-directml' | 'onnx-coreml' | 'tfjs' | 'reference';

/** How frozen weights are kept; all arithmetic is in fp32. */
export const storages = ['fp32', 'fp16'] as const;
export type Storage = (typeof storages)[number];

const precisions = {
  fp32: 'fp32',
  fp16: 'fp32, weights stored as fp16',
} as const satisfies Record<Storage, string>;
export type Precision = (typeof precisions)[Storage];

/** What an engine computes in and keeps weights in, in words. */
export function precisionOf(storage: Storage = 'fp32'): Precision {
  return precisions[storage];
}

/** The card that an engine computes on, where that can be found out. */
export interface Adapter {
  readonly name: string;
  /** Version of the driver, or its library where that is all it tells. */
  readonly driver: string;
  /** Whether a program on the processor plays the card: correct, and slower than the processor itself. */
  readonly software: boolean;
}

export interface EngineDescription {
  readonly id: EngineId;
  /** The library and the device it computes on, e.g. "ONNX Runtime 1.30.0, CPU". */
  readonly title: string;
  readonly device: 'cpu' | 'gpu';
  readonly precision: Precision;
  readonly threads: number;
  readonly adapter?: Adapter;
}

export interface Executable {
  /**
   * Runs the program once. `inputs` holds one tensor for each parameter of kind `input`; the result
   * has one tensor for each result of the program. Inputs are not kept or changed.
   */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  dispose(): Promise<void>;
}

export interface Engine {
  readonly description: EngineDescription;
  /** Loads `program` with its constants; they stay resident until `dispose`. */
  compile(program: Program, constants: TensorMap): Promise<Executable>;
}
