import { describe, expect, it } from 'vitest';
import { halved } from '../../../main/checkpoints/half-tensor.ts';
import { widened } from '../../../main/lib/tensor.ts';
import { expectFailure } from '../../support/app-errors.ts';

const tensor = (...values: number[]) => ({
  shape: [values.length],
  data: Float32Array.from(values),
});

describe('a tensor in fp16', () => {
  it('rounds to nearest, ties to even', () => {
    const steps = 2 ** -10;
    const half = halved('w', tensor(1 + 0.5 * steps, 1 + 1.5 * steps, 1 + 0.51 * steps, -0));
    expect([...half.data]).toEqual([1, 1 + 2 * steps, 1 + steps, -0]);
    expect(half.half.byteLength).toBe(8);
  });

  it('has steps of 2⁻²⁴ below 2⁻¹⁴, and 0 below half of one', () => {
    const half = halved('w', tensor(1.4 * 2 ** -24, 1.6 * 2 ** -24, 0.4 * 2 ** -24));
    expect([...half.data]).toEqual([2 ** -24, 2 ** -23, 0]);
  });

  it('holds 65504, and names the tensor with a value beyond', async () => {
    expect([...halved('w', tensor(65504, -65519)).data]).toEqual([65504, -65504]);
    const beyond = () => halved('layer.3.weight', tensor(1, 65520));
    const { message } = await expectFailure(beyond, 'tensor.exceeds_half');
    expect(message).toContain('1 of the 2 values of "layer.3.weight"');
  });

  it('stays as it is when it is halved again', () => {
    const once = halved('w', tensor(0.1, 0.2));
    expect(halved('w', once)).toBe(once);
    expect(halved('w', widened(once)).half).toEqual(once.half);
  });
});
