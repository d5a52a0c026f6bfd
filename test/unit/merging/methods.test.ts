import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { docsFile, methodDocs } from '../../../build/generate-method-docs.ts';
import { indexFile, methodIndex } from '../../../build/generate-method-index.ts';
import { methods } from '../../../main/merging/index.ts';
import { taskArithmetic } from '../../../main/merging/methods/task-arithmetic.ts';
import { ties } from '../../../main/merging/methods/ties.ts';
import { resolveParameters } from '../../../main/lib/parameters.ts';
import { resolveSettings } from '../../../main/merging/settings.ts';
import { groupOf, runMethod } from './in-memory.ts';

const fp32 = (...values: number[]) => Float32Array.from(values);
const zeros = new Float32Array(10);

test('the index lists every file of methods/', () => {
  expect(readFileSync(indexFile, 'utf8')).toBe(methodIndex());
});

test('docs/methods.md says what the records say', () => {
  // Else: npx tsx build/generate-method-docs.ts
  expect(readFileSync(docsFile, 'utf8')).toBe(methodDocs());
});

test('ids are unique', () => {
  expect(new Set(methods.map(({ id }) => id)).size).toBe(methods.length);
});

describe.each(methods.map((method) => [method.id, method] as const))('%s', (_, method) => {
  test('its defaults and the values its laws need are valid', () => {
    resolveSettings(method, {}, 2, 'test');
    for (const needed of Object.values(method.laws)) resolveSettings(method, needed, 2, 'test');
    for (const values of Object.values(method.variants ?? {})) {
      resolveSettings(method, values, 2, 'test');
    }
    for (const parameter of Object.values({ ...method.parameters, ...method.perExpert })) {
      const given = { p: parameter.default };
      resolveParameters({ id: method.id, parameters: { p: parameter } }, given, 'test');
    }
  });

  test('its summary is two sentences', () => {
    expect(method.summary.match(/[.]( |$)/g)).toHaveLength(2);
  });
});

/** Three tasks with ties at the trim threshold, exact zeros and a position that cancels. */
const tasks = [
  fp32(0.5, -0.4, 0.3, 0.3, -0.2, 0.1, 0, -0.6, 0.05, 0.02),
  fp32(-0.5, 0.4, 0.2, -0.1, -0.2, 0, 0, 0.7, -0.05, 0.01),
  fp32(0.1, 0.4, -0.3, 0.2, 0.6, -0.1, 0, -0.1, 0.05, 0.03),
];
const group = groupOf('tasks', zeros, tasks);

describe('TIES', () => {
  test.each([
    ['mean', [0.3, 0.4, 0.25, 0.25, 0.6, -0.1, 0, -0.35, 0, 0]],
    ['sum', [0.6, 0.8, 0.5, 0.5, 0.6, -0.1, 0, -0.7, 0, 0]],
  ])('disjoint %s', async (merge, expected) => {
    const [merged] = await runMethod(ties, { density: 0.4, lambda: 1, merge }, [group]);
    expected.forEach((value, i) => expect(merged?.[i]).toBeCloseTo(value, 6));
  });

  test('the trim is global, not per tensor', async () => {
    const large = groupOf('large', fp32(0, 0), [fp32(8, 9)]);
    const small = groupOf('small', fp32(0, 0), [fp32(1, 2)]);
    const merged = await runMethod(ties, { density: 0.25, lambda: 1 }, [large, small]);
    expect(merged.map((values) => [...values])).toEqual([
      [8, 9],
      [0, 0],
    ]);
  });

  test('a cancelling position follows the majority of all positions', async () => {
    const with_ = (sign: number) =>
      groupOf('tensor', fp32(0, 0, 0, 0), [fp32(2, sign, sign, 0), fp32(-2, sign, sign, -sign)]);
    const given = { density: 1, lambda: 1 };
    const [rising] = await runMethod(ties, given, [with_(1)]);
    const [falling] = await runMethod(ties, given, [with_(-1)]);
    expect(rising?.[0]).toBe(2);
    expect(falling?.[0]).toBe(-2);
  });

  test('in full density and without conflicts it is task arithmetic', async () => {
    const agreeing = { ...group, experts: tasks.map((values) => values.map(Math.abs)) };
    const merged = await runMethod(ties, { density: 1, lambda: 0.5 }, [agreeing]);
    expect(merged).toEqual(await runMethod(taskArithmetic, { lambda: 0.5 }, [agreeing]));
  });

  test('experts that equal the base change nothing, at any density', async () => {
    for (const density of [0.001, 0.5, 1]) {
      const same = groupOf('tensor', tasks[0]!, [tasks[0]!, tasks[0]!]);
      expect(await runMethod(ties, { density, lambda: 1, merge: 'mean' }, [same])).toEqual([
        tasks[0],
      ]);
    }
  });
});

test.each([
  [taskArithmetic, { lambda: 1 }],
  [ties, { lambda: 1, density: 1 }],
])('$id rounds once: small changes are not lost one by one', async (method, given) => {
  // Added to 1 in fp32, each of the eight would vanish: it is half of the last place.
  const experts = [fp32(1), ...Array.from({ length: 8 }, () => fp32(2 ** -24))];
  const [merged] = await runMethod(method, given, [groupOf('tensor', fp32(0), experts)]);
  expect(merged).toEqual(fp32(1 + 2 ** -21));
});
