/** Every law of main/merging/laws.ts, on every method that declares it, with random models. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../main/lib/errors.ts';
import { methods } from '../../main/merging/index.ts';
import { laws, type LawId } from '../../main/merging/laws.ts';
import type { Group, Method } from '../../main/merging/method.ts';
import type { GivenParameters, Parameter } from '../../main/lib/parameters.ts';
import { groupOf, runMethod } from '../unit/merging/in-memory.ts';

interface Sample {
  readonly groups: readonly Group[];
  readonly parameters: GivenParameters;
  /** A random order of the experts. */
  readonly order: readonly number[];
  readonly unit: Method['unit'];
}

/** Runs the method; parameters given per expert are taken in `order`, which may be shorter. */
type Run = (
  groups: readonly Group[],
  change?: GivenParameters,
  order?: readonly number[],
) => Promise<number[][]>;

/** One checked claim for each law, given a way to run the method with the parameters of the sample. */
const claims: Record<LawId, (run: Run, sample: Sample) => Promise<void>> = {
  async base_copies(run, { groups }) {
    const copies = groups.map((group) => ({
      ...group,
      experts: group.experts.map(() => group.base),
    }));
    expect(await run(copies)).toEqual(bases(groups));
  },
  async expert_order(run, { groups, order }) {
    const reordered = groups.map((group) => ({
      ...group,
      experts: order.map((expert) => group.experts[expert]!),
    }));
    expect(await run(reordered, {}, order)).toEqual(await run(groups));
  },
  async base_unused(run, { groups }) {
    const rebased = groups.map((group) => ({ ...group, base: group.base.map((x) => 1 - x) }));
    expect(await run(rebased)).toEqual(await run(groups));
  },
  async single_expert(run, { groups }) {
    const single = groups.map((group) => ({ ...group, experts: group.experts.slice(0, 1) }));
    expect(await run(single, {}, [0])).toEqual(single.map(({ experts }) => plain(experts[0]!)));
  },
  async identical_experts(run, { groups }) {
    const same = groups.map((group) => ({
      ...group,
      experts: group.experts.map(() => group.experts[0]!),
    }));
    expect(await run(same)).toEqual(same.map(({ experts }) => plain(experts[0]!)));
  },
  async zero_scale(run, { groups }) {
    expect(await run(groups)).toEqual(bases(groups));
  },
  async scale_linear(run, { groups }) {
    const whole = await run(groups, { lambda: 1 });
    const part = await run(groups, { lambda: -0.375 });
    for (const [index, { base }] of groups.entries()) {
      for (const [i, x] of base.entries()) {
        const expected = x - 0.375 * (whole[index]![i]! - x);
        const error = Math.abs(part[index]![i]! - expected);
        expect(error).toBeLessThan(5e-7 * Math.max(1, Math.abs(expected)));
      }
    }
  },
  async power_of_two(run, { groups }) {
    const doubled = await run(mapValues(groups, (x) => 2 * x));
    expect(doubled).toEqual((await run(groups)).map((values) => values.map((x) => 2 * x)));
  },
  async negation(run, { groups }) {
    // 0 − x, for zeros come out as +0.
    const negated = await run(mapValues(groups, (x) => 0 - x));
    expect(negated).toEqual((await run(groups)).map((values) => values.map((x) => 0 - x)));
  },
  async within_experts(run, { groups }) {
    const merged = await run(groups);
    for (const [index, { experts }] of groups.entries()) {
      for (const [i, value] of merged[index]!.entries()) {
        const values = experts.map((expert) => expert[i]!);
        expect(value).toBeGreaterThanOrEqual(Math.min(...values));
        expect(value).toBeLessThanOrEqual(Math.max(...values));
      }
    }
  },
  async sharding(run, { groups, unit }) {
    const pieces = groups.toReversed().flatMap((group) => {
      const whole = group.base.length;
      const least = { value: 1, row: group.shape.at(-1)!, tensor: whole }[unit];
      const middle = least * Math.ceil(whole / least / 2);
      const cut = (begin: number, end?: number) => ({
        ...group,
        offset: begin,
        base: group.base.subarray(begin, end),
        experts: group.experts.map((expert) => expert.subarray(begin, end)),
      });
      return [cut(0, middle), cut(middle)];
    });
    const merged = await run(pieces);
    const joined = groups.map((_, index) => {
      const at = 2 * (groups.length - 1 - index);
      return [...merged[at]!, ...merged[at + 1]!];
    });
    expect(joined).toEqual(await run(groups));
  },
};

/** Zeros of either sign are the same number. */
const plain = (values: Float32Array): number[] => Array.from(values, (value) => value + 0);
const bases = (groups: readonly Group[]): number[][] => groups.map(({ base }) => plain(base));

function mapValues(groups: readonly Group[], change: (value: number) => number): Group[] {
  return groups.map((group) => ({
    ...group,
    base: group.base.map(change),
    experts: group.experts.map((expert) => expert.map(change)),
  }));
}

function parameterValue(parameter: Parameter): fc.Arbitrary<unknown> {
  switch (parameter.kind) {
    case 'boolean':
      return fc.boolean();
    case 'choice':
      return fc.constantFrom(...parameter.range);
    case 'merge':
      throw new Error('methods of weights go on from no other merge');
    case 'integer':
      return fc.integer(parameter.range);
    case 'number':
      // Sixteenths: a product with a value of the grid is exact.
      return fc
        .integer({
          min: Math.ceil(parameter.range.min * 16),
          max: Math.floor(parameter.range.max * 16),
        })
        .map((count) => Math.min(parameter.range.max, Math.max(parameter.range.min, count / 16)));
  }
}

/** A few tensors of numbers that sums and products of this size keep exact, with many ties and zeros. */
function samples(method: Method, needed: GivenParameters): fc.Arbitrary<Sample> {
  const value = fc.integer({ min: -40, max: 40 }).map((count) => count / 256);
  const shape = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 8 }));
  const shapes = fc.array(shape, { minLength: 1, maxLength: 3 });
  const { min, max = 5 } = method.inputs.experts;
  return fc
    .tuple(fc.integer({ min, max: Math.max(min, Math.min(max, 5)) }), shapes)
    .chain(([count, sizes]) => {
      const values = (length: number) =>
        fc.array(value, { minLength: length, maxLength: length }).map((x) => Float32Array.from(x));
      const group = ([rows, columns]: readonly [number, number], index: number) =>
        fc
          .array(values(rows * columns), { minLength: count + 1, maxLength: count + 1 })
          .map(([base, ...experts]) =>
            groupOf(`tensor ${index}`, base!, experts, rows === 1 ? [columns] : [rows, columns]),
          );
      const order = Array.from({ length: count }, (_, expert) => expert);
      return fc.record({
        groups: fc.tuple(...sizes.map(group)),
        parameters: fc
          .record(
            Object.fromEntries(
              Object.entries({ ...method.parameters, ...method.perExpert }).map(([key, row]) => [
                key,
                key in method.perExpert
                  ? fc.array(parameterValue(row), { minLength: count, maxLength: count })
                  : parameterValue(row),
              ]),
            ),
          )
          .map((drawn) => ({ ...drawn, ...needed })),
        order: fc.shuffledSubarray(order, { minLength: count, maxLength: count }),
        unit: fc.constant(method.unit),
      });
    });
}

/** Values that no merge can be made with, e.g. weights that add up to 0, call for another sample. */
async function discardingImpossible(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    fc.pre(!(error instanceof AppError && error.code === 'recipe.invalid_parameter'));
    throw error;
  }
}

/** Fewer where a run takes long: methods that decompose matrices, or that count all values first. */
function runsOf(method: Method): number {
  if (method.unit === 'tensor') return 12;
  return method.passes === undefined ? 60 : 24;
}

describe.each(methods.map((method) => [method.id, method] as const))('%s', (_, method) => {
  const declared = Object.entries(method.laws) as [LawId, GivenParameters][];

  test.each(declared.map(([law, needed]) => ({ law, needed, meaning: laws[law] })))(
    '$law: $meaning',
    async ({ law, needed }) => {
      const property = fc.asyncProperty(samples(method, needed), async (sample) => {
        const run: Run = async (groups, change = {}, order) => {
          const given = Object.entries({ ...sample.parameters, ...change }).map(([key, value]) => {
            const ordered =
              Array.isArray(value) && order?.map((expert) => value[expert] as unknown);
            return [key, ordered || value];
          });
          return (
            await runMethod(method, Object.fromEntries(given) as GivenParameters, groups)
          ).map(plain);
        };
        await discardingImpossible(claims[law](run, sample));
      });
      await fc.assert(property, { numRuns: runsOf(method), seed: 1 });
    },
  );

  test('leaves its inputs as they are', async () => {
    await fc.assert(
      fc.asyncProperty(samples(method, {}), async ({ groups, parameters }) => {
        const before = structuredClone(groups);
        await discardingImpossible(runMethod(method, parameters, groups));
        expect(groups).toEqual(before);
      }),
      { numRuns: runsOf(method) / 4, seed: 1 },
    );
  });
});
