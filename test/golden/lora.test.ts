/** Adapters combined by PEFT itself (lora.py): the change of every weight must be the same. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Matrix } from '../../main/engine/linear/matrix.ts';
import { linearAlgebra } from '../../main/merging/linear-algebra.ts';
import { combineFactors, type CombinationId } from '../../main/merging/lora/combine.ts';

type Rows = readonly (readonly number[])[];

interface Golden {
  readonly peft: string;
  readonly inputs: Readonly<
    Record<
      string,
      Readonly<Record<string, { readonly scaling: number; readonly a: Rows; readonly b: Rows }>>
    >
  >;
  readonly cases: readonly {
    readonly kind: CombinationId;
    readonly weights: readonly number[];
    readonly options: {
      readonly density?: number;
      readonly svd_rank?: number;
      readonly majority_sign_method?: 'total' | 'frequency';
    };
    readonly changes: Readonly<Record<string, Rows>>;
  }[];
}

const file = new URL('lora/combinations.json', import.meta.url);
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;

function matrix(rows: Rows): Matrix {
  return {
    rows: rows.length,
    columns: rows[0]?.length ?? 0,
    data: Float64Array.from(rows.flat()),
  };
}

describe(`PEFT ${golden.peft}`, () => {
  const cases = golden.cases.map((row) => ({ ...row, label: JSON.stringify(row.options) }));

  test.each(cases)('$kind $weights $label', async ({ kind, weights, options, changes }) => {
    for (const [layer, expected] of Object.entries(changes)) {
      const adapters = Object.values(golden.inputs[layer]!);
      const parts = adapters.map(({ scaling, a, b }, index) => ({
        scaling,
        weight: weights[index]!,
        a: matrix(a),
        b: matrix(b),
      }));
      const { a, b } = await combineFactors(
        kind,
        parts,
        {
          density: options.density ?? 1,
          majority: options.majority_sign_method ?? 'total',
          rank: options.svd_rank,
          svdScaling: 'once',
          key: ['test'],
        },
        linearAlgebra,
      );
      const change = await linearAlgebra.multiply(b, a);
      const size = Math.max(...expected.flat().map(Math.abs));
      for (const [index, value] of expected.flat().entries()) {
        // PEFT computes in fp32.
        expect(Math.abs(change.data[index]! - value)).toBeLessThan(4e-6 * size);
      }
    }
  });
});
