/** Weights in 16 bits: half the memory, eleven significant bits. */
import { AppError } from '../lib/errors.ts';
import { isHalf, type HalfTensor, type Tensor } from '../lib/tensor.ts';
import { decodeFp16, encodeFp16 } from './half.ts';

class Halved implements HalfTensor {
  readonly shape: readonly number[];
  readonly half: Uint16Array;
  /** What was made last, while somebody has it. */
  #data: WeakRef<Float32Array> | undefined;

  constructor(shape: readonly number[], half: Uint16Array) {
    this.shape = shape;
    this.half = half;
  }

  get data(): Float32Array {
    const known = this.#data?.deref();
    if (known !== undefined) return known;
    const data = new Float32Array(this.half.length);
    decodeFp16(this.half, data);
    this.#data = new WeakRef(data);
    return data;
  }
}

/**
 * `tensor` rounded to fp16, to nearest with ties to even; below 2⁻¹⁴ steps are 2⁻²⁴. Throws `tensor.exceeds_half` where
 * a value would become infinite.
 */
export function halved(name: string, tensor: Tensor): HalfTensor {
  if (isHalf(tensor)) return tensor;
  const half = new Uint16Array(tensor.data.length);
  const overflows = encodeFp16(tensor.data, half);
  if (overflows > 0) {
    throw new AppError('tensor.exceeds_half', {
      what: `${String(overflows)} of the ${String(half.length)} values of "${name}" are beyond 65504, the largest of fp16`,
      hint: 'leave out storage: fp16; fp32 holds them',
    });
  }
  return new Halved(tensor.shape, half);
}
