/** What mergekit itself gave (mergekit_outputs.py), with the variants that our records call its own. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { methods } from '../../main/merging/index.ts';
import { groupOf, runMethod } from '../unit/merging/in-memory.ts';

type Tensors = Readonly<Record<string, readonly number[]>>;

interface MergekitOutputs {
  readonly mergekit: string;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly base: Tensors;
  readonly experts: readonly Tensors[];
  readonly outputs: readonly {
    readonly method: string;
    readonly parameters: Readonly<Record<string, unknown>>;
    readonly base: boolean;
    readonly experts: number;
    readonly merged: Tensors;
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL('mergekit/outputs.json', import.meta.url), 'utf8'),
) as MergekitOutputs;

/** mergekit's parameters under our names. */
function ours(method: string, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const elects = ['ties', 'dare_ties', 'della', 'breadcrumbs_ties'].includes(method);
  const rows: [string, unknown][] = Object.entries(given).map(([key, value]) => {
    if (key === 'normalize' && elects) return ['merge', value === true ? 'weighted_mean' : 'sum'];
    if (key === 'normalize_weights') return ['normalize', value];
    if (key === 'rescale') return ['rescale', value === true ? 'l1' : 'none'];
    if (key === 'nuslerp_flatten') return ['vectors', 'row'];
    if (key === 'nuslerp_row_wise') return ['vectors', 'column'];
    return [key, value];
  });
  return Object.fromEntries(rows);
}

test.each(
  golden.outputs.map((output) => ({ ...output, label: JSON.stringify(output.parameters) })),
)('$method $label', async ({ method: id, parameters, base, experts, merged }) => {
  const method = methods.find((candidate) => candidate.id === id)!;
  const fp32 = (values: readonly number[]) => Float32Array.from(values);
  const groups = Object.entries(golden.shapes).map(([name, shape]) => {
    const origin = fp32(golden.base[name]!);
    const models = golden.experts.slice(0, experts).map((expert) => fp32(expert[name]!));
    return groupOf(name, base ? origin : origin.map(() => 0), models, shape);
  });
  // Model Stock floors a product of lengths at 1e-6 in mergekit, which these tensors are far from.
  const given = { ...method.variants?.mergekit, ...ours(id, parameters) };
  const found = await runMethod(method, given, groups);
  for (const [index, name] of Object.keys(golden.shapes).entries()) {
    const expected = merged[name]!;
    expect(found[index]).toHaveLength(expected.length);
    // mergekit computes in fp32 throughout; values are about 0.3.
    expected.forEach((value, i) => expect(found[index]![i]).toBeCloseTo(value, 6));
  }
});
