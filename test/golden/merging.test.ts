/** Outputs of an independent implementation (merging.py, with numpy). */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { methods } from '../../main/merging/index.ts';
import { groupOf, runMethod } from '../unit/merging/in-memory.ts';

interface GoldenCase {
  /** Every sum is exact, so the outputs must agree bit for bit. */
  readonly exact: boolean;
  readonly base: readonly (readonly number[])[];
  readonly experts: readonly (readonly (readonly number[])[])[];
  readonly outputs: readonly {
    readonly method: string;
    readonly parameters: Readonly<Record<string, unknown>>;
    /** It divides, so that even here it agrees up to rounding. */
    readonly rounded?: boolean;
    readonly merged: readonly (readonly number[])[];
  }[];
}

const folder = new URL('merging/', import.meta.url);
const fp32 = (values: readonly number[]) => Float32Array.from(values);

describe.each(readdirSync(folder).sort())('%s', (file) => {
  const { exact, base, experts, outputs } = JSON.parse(
    readFileSync(new URL(file, folder), 'utf8'),
  ) as GoldenCase;
  const groups = base.map((values, index) =>
    groupOf(
      `tensor ${index}`,
      fp32(values),
      experts.map((tensors) => fp32(tensors[index] ?? [])),
    ),
  );

  test.each(outputs.map((output) => ({ ...output, label: JSON.stringify(output.parameters) })))(
    '$method $label',
    async ({ method: id, parameters, rounded, merged: golden }) => {
      const method = methods.find((candidate) => candidate.id === id);
      if (method === undefined) throw new Error(`no method ${id}`);
      const merged = await runMethod(method, parameters, groups);
      for (const [index, values] of golden.entries()) {
        const found = [...(merged[index] ?? [])];
        if (exact && rounded !== true) expect(found).toEqual([...fp32(values)]);
        else values.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 6));
        expect(found).toHaveLength(values.length);
      }
    },
  );
});
