/** The product that a provider is tried with. */
import { Builder } from '../../graph/builder.ts';
import { encodeProgram } from './model.ts';

export const probeLeft = Float32Array.of(1, 2, 3, 4, 5, 6);
export const probeRight = Float32Array.of(1, -1, 0.5, 2, 0, 3);
/** `probeLeft` [2, 3] times `probeRight` [3, 2]; exact in fp32. */
export const probeProduct = [2, 12, 6.5, 24];

export function probeModel(): Uint8Array {
  const b = new Builder();
  const product = b.matmul(b.input('left', [2, 3]), b.input('right', [3, 2]));
  return encodeProgram(b.build('probe', { product }), new Map());
}
