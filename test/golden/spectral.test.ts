/** Outputs of an independent implementation (spectral.py, with LAPACK through numpy). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Matrix } from '../../main/engine/linear/matrix.ts';
import type { GivenParameters } from '../../main/lib/parameters.ts';
import { methods } from '../../main/merging/index.ts';
import { linearAlgebra } from '../../main/merging/linear-algebra.ts';
import { groupOf, runMethod } from '../unit/merging/in-memory.ts';

interface MethodCase {
  readonly method: string;
  readonly parameters: GivenParameters;
  readonly shape: readonly [number, number];
  readonly experts: number;
  /** Frobenius norm of the merged change. */
  readonly change: number;
  readonly places: readonly number[];
  readonly values: readonly number[];
}

interface SpectrumCase {
  readonly kind: 'plain' | 'product' | 'graded';
  readonly shape: readonly [number, number];
  readonly sigma: readonly number[];
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`spectral/${name}.json`, import.meta.url), 'utf8'));
}

/** The generator of spectral.py. */
function values(key: number, count: number, scale: number): Float32Array {
  let state = (key * 2654435761) % 2 ** 32;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * scale;
  });
}

function matrix(key: number, rows: number, columns: number): Matrix {
  return { rows, columns, data: Float64Array.from(values(key, rows * columns, 1)) };
}

describe('methods', () => {
  const cases = (read('methods') as MethodCase[]).map((golden) => ({
    ...golden,
    label: `${golden.shape.join('×')}, ${golden.experts} experts, ${JSON.stringify(golden.parameters)}`,
  }));

  test.each(cases)('$method $label', async ({ method: id, parameters, shape, ...golden }) => {
    const method = methods.find((candidate) => candidate.id === id);
    if (method === undefined) throw new Error(`no method ${id}`);
    const count = shape[0] * shape[1];
    const base = values(99, count, 1);
    const experts = Array.from({ length: golden.experts }, (_, k) => {
      const change = values(k + 1, count, 0.1);
      return base.map((value, i) => value + change[i]!);
    });
    const [merged] = await runMethod(method, parameters, [groupOf('w', base, experts, shape)]);
    const change = Math.sqrt(merged!.reduce((sum, value, i) => sum + (value - base[i]!) ** 2, 0));
    expect(change / golden.change).toBeCloseTo(1, 6);
    for (const [index, place] of golden.places.entries()) {
      // One rounding to fp32 of a value near 1.
      expect(Math.abs(merged![place]! - golden.values[index]!)).toBeLessThan(1.2e-7);
    }
  });

  test('worked examples of 2 × 3', async () => {
    const zero = new Float32Array(6);
    const experts = [
      [0.1, 0, 0.2, 0, 0.1, -0.1],
      [0, 0.3, 0, 0.1, 0, 0.1],
    ].map((rows) => Float32Array.from(rows));
    const expected = {
      tsv_m: [0.056314, 0.242315, 0.140785, -0.07169, 0.176157, -0.179224],
      iso_c: [0.021132, 0.178868, 0.157735, 0.194338, 0.078868, -0.11547],
      wudi: [0.096991, 0.29705, 0.202929, 0.097035, 0.097023, -0.002978],
    };
    for (const [id, golden] of Object.entries(expected)) {
      const method = methods.find((candidate) => candidate.id === id)!;
      const [merged] = await runMethod(method, {}, [groupOf('w', zero, experts, [2, 3])]);
      golden.forEach((value, i) => expect(merged![i]).toBeCloseTo(value, 5));
    }
  });
});

describe('singular values', () => {
  const cases = (read('spectra') as SpectrumCase[]).map((golden) => ({
    ...golden,
    label: `${golden.kind} ${golden.shape.join('×')}`,
  }));

  test.each(cases)('$label', async ({ kind, shape: [rows, columns], sigma: golden }) => {
    const a =
      kind === 'product'
        ? await linearAlgebra.multiply(matrix(7, rows, 20), matrix(8, 20, columns))
        : matrix(7, rows, columns);
    if (kind === 'graded') {
      for (let i = 0; i < a.data.length; i++) a.data[i]! *= 2 ** -Math.floor((i % columns) / 10);
    }
    const { sigma } = await linearAlgebra.svd(a);
    expect(sigma).toHaveLength(golden.length);
    for (const [index, value] of golden.entries()) {
      expect(Math.abs(sigma[index]! - value) / golden[0]!).toBeLessThan(1e-13);
    }
  });
});
