import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Builder } from '../../../main/graph/builder.ts';
import { printProgram } from '../../../main/graph/print.ts';
import type { Program } from '../../../main/graph/program.ts';
import { verify } from '../../../main/graph/verify.ts';

describe('value numbering', () => {
  it('gives equal expressions one value', () => {
    const b = new Builder();
    const x = b.input('x', [2]);
    const y = b.input('y', [2]);
    expect(b.add(x, y)).toBe(b.add(x, y));
    expect(b.sum(x, [0])).toBe(b.sum(x, [0]));
    expect(b.scale(x, 2)).toBe(b.mul(x, b.fill(2)));
    expect(b.input('x', [2])).toBe(x);
  });

  it('keeps apart what differs in operation, order, attributes or number', () => {
    const b = new Builder();
    const x = b.input('x', [2, 2]);
    const y = b.input('y', [2, 2]);
    const values = [
      b.sub(x, y),
      b.sub(y, x),
      b.matmul(x, y),
      b.matmul(x, y, { transposeLeft: true }),
      b.sum(x, [0]),
      b.sum(x, [0], true),
      b.mean(x, [0]),
      ...[0, -0, 1, 1 + Number.EPSILON, Number.NaN, Infinity, -Infinity].map((value) =>
        b.fill(value),
      ),
    ];
    expect(new Set(values).size).toBe(values.length);
  });

  it('knows the values of a program it continues', () => {
    const first = new Builder();
    const x = first.input('x', [3], { batch: true });
    const y = first.unary('exp', x);
    const continued = Builder.from(first.build('p', { y }));
    expect(continued.unary('exp', continued.input('x', [3], { batch: true }))).toBe(y);
    expect(continued.build('p', { y }).batchInputs).toEqual(['x']);
  });
});

describe('build', () => {
  it('drops equations, parameters and batch inputs that no result needs', () => {
    const b = new Builder();
    const x = b.input('x', [2]);
    const unused = b.input('unused', [2], { batch: true });
    b.unary('exp', b.add(x, unused));
    const program = b.build('p', { y: b.unary('neg', x) });
    verify(program);
    expect(program.parameters.map(({ name }) => name)).toEqual(['x']);
    expect(program.equations.map(({ op }) => op)).toEqual(['neg']);
    expect(program.batchInputs).toEqual([]);
  });

  it('gives a parameter as a result, and one value under two names', () => {
    const b = new Builder();
    const x = b.input('x', [2]);
    const program = b.build('p', { x, again: x });
    verify(program);
    expect(program.equations).toEqual([]);
    expect(program.results.map(({ value }) => value)).toEqual([x, x]);
  });

  it('leaves out what does nothing', () => {
    const b = new Builder();
    const x = b.input('x', [2, 3]);
    expect(b.reshape(x, [2, 3])).toBe(x);
    expect(b.broadcast(x, [2, 3])).toBe(x);
    expect(b.concat([x], 0)).toBe(x);
  });
});

describe('a parameter', () => {
  it.each<[string, (b: Builder) => unknown]>([
    ['of another shape', (b) => b.input('x', [3])],
    ['of another kind', (b) => b.constant('x', [2])],
    ['with a batch', (b) => b.input('x', [2], { batch: true })],
  ])('declared again %s is refused', (_, declare) => {
    const b = new Builder();
    b.input('x', [2]);
    expect(() => declare(b)).toThrow('parameter x is declared twice, differently');
  });
});

it('refuses shapes that do not fit while the program is written', () => {
  const b = new Builder();
  expect(() => b.add(b.input('x', [2]), b.input('y', [3]))).toThrow(/do not broadcast/);
});

describe('printProgram', () => {
  it('shows parameters, equations with attributes, and results', () => {
    const b = new Builder();
    const x = b.input('x', [2, 4], { batch: true });
    const w = b.constant('w', [3, 4]);
    const y = b.scale(b.matmul(x, w, { transposeRight: true }), 0.5);
    expect(printProgram(b.build('tiny', { y, total: b.sum(y, [1], true) }))).toMatchInlineSnapshot(`
      "program "tiny"
        %0 = input batch "x" : f32[2, 4]
        %1 = constant "w" : f32[3, 4]
        %2 = matmul(%0, %1) transposeLeft=false transposeRight=true : f32[2, 3]
        %3 = fill() shape=[] value=0.5 : f32[]
        %4 = mul(%2, %3) : f32[2, 3]
        %5 = sum(%4) axes=[1] keepDims=true : f32[2, 1]
        return "y" %4 : f32[2, 3]
        return "total" %5 : f32[2, 1]
      "
    `);
  });

  /** A random chain of operations on a [2, 2] matrix. */
  const steps = fc.array(
    fc.oneof(
      fc.record({ unary: fc.constantFrom('neg' as const, 'exp' as const, 'relu' as const) }),
      fc.record({ scale: fc.double() }),
      fc.record({ transposeLeft: fc.boolean() }),
    ),
    { maxLength: 4 },
  );
  type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never;
  const write = (chain: Steps, name: string, batch: boolean): Program => {
    const b = new Builder();
    const x = b.input(name, [2, 2], { batch });
    let value = x;
    for (const step of chain) {
      if ('unary' in step) value = b.unary(step.unary, value);
      else if ('scale' in step) value = b.scale(value, step.scale);
      else value = b.matmul(value, x, { transposeLeft: step.transposeLeft });
    }
    return b.build('p', { value });
  };

  it('is equal exactly for equal programs', () => {
    const any = fc.record({
      chain: steps,
      name: fc.constantFrom('x', 'y', '" : f32[2, 2]\n'),
      batch: fc.boolean(),
    });
    fc.assert(
      fc.property(any, any, (left, right) => {
        const a = write(left.chain, left.name, left.batch);
        const b = write(right.chain, right.name, right.batch);
        expect(printProgram(a)).toBe(printProgram(write(left.chain, left.name, left.batch)));
        expect(printProgram(a) === printProgram(b)).toBe(equal(a, b));
      }),
    );
  });
});

/** Deep equality with Object.is for numbers, values numbered as they are. */
function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return Object.is(a, b);
  const keys = Object.keys(a);
  if (keys.join() !== Object.keys(b).join()) return false;
  return keys.every((key) =>
    equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}
