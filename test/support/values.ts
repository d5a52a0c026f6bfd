/** Comparing named tensors. */
import { expect } from 'vitest';
import type { Tensor } from '../../main/lib/tensor.ts';
import { deviation } from '../unit/engine/numbers.ts';

export function named(tensors: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = tensors[name];
  if (tensor === undefined) throw new Error(`no tensor "${name}"`);
  return tensor;
}

/** Expects shapes to be equal and values to differ by at most `tolerance` of the largest one. */
export function expectClose(found: Tensor, wanted: Tensor, tolerance: number, what = ''): void {
  expect([...found.shape], what).toEqual([...wanted.shape]);
  expect(deviation(found, wanted), what).toBeLessThan(tolerance);
}
