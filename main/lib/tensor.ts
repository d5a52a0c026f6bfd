/** A dense fp32 tensor in row-major order; `data.length` equals the product of `shape`. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A tensor that is kept in 16 bits for each value. `data` is made when it is read, and lives while somebody has it. */
export interface HalfTensor extends Tensor {
  /** Patterns of IEEE 754 binary16. */
  readonly half: Uint16Array;
}

export function isHalf(tensor: object): tensor is HalfTensor {
  return 'half' in tensor;
}

/** `tensor` in 32 bits for each value. */
export function widened(tensor: Tensor): Tensor {
  return isHalf(tensor) ? { shape: tensor.shape, data: tensor.data } : tensor;
}

/** The values of `tensor` as they are kept. */
export function storedValues(tensor: Tensor): Float32Array | Uint16Array {
  return isHalf(tensor) ? tensor.half : tensor.data;
}

export type TensorMap = ReadonlyMap<string, Tensor>;

/** Number of elements of a shape; 1 for a scalar (`[]`). */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function zeros(shape: readonly number[]): Tensor {
  return { shape, data: new Float32Array(elementCount(shape)) };
}
