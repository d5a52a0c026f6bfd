import { describe, expect, it } from 'vitest';
import { Builder } from '../../../main/graph/builder.ts';
import { gradient, gradientName } from '../../../main/graph/gradient.ts';
import { vjp } from '../../../main/graph/vjp.ts';
import { verify } from '../../../main/graph/verify.ts';

function square() {
  const b = new Builder();
  const x = b.input('x', [2, 3], { batch: true });
  const w = b.constant('w', [4, 3]);
  b.input('idle', [2]);
  const y = b.matmul(x, w, { transposeRight: true });
  return b.build('square', { y, loss: b.sum(b.mul(y, y), [0, 1]) });
}

describe('gradient', () => {
  it('adds one result of the parameter’s shape for each name, and keeps the others', () => {
    const program = gradient(square(), { of: 'loss', withRespectTo: ['w', 'x'] });
    verify(program);
    expect(program.results.map(({ name }) => name)).toEqual([
      'y',
      'loss',
      gradientName('w'),
      gradientName('x'),
    ]);
    const shapeOfResult = (name: string) =>
      program.shapes[program.results.find((result) => result.name === name)?.value ?? -1];
    expect(shapeOfResult('gradient/w')).toEqual([4, 3]);
    expect(shapeOfResult('gradient/x')).toEqual([2, 3]);
  });

  it('runs at its nominal batch size only', () => {
    expect(gradient(square(), { of: 'loss', withRespectTo: ['w'] }).batchInputs).toEqual([]);
  });

  it('builds nothing for what is not asked for', () => {
    const none = gradient(square(), { of: 'loss', withRespectTo: [] });
    expect(none.equations.length).toBe(square().equations.length);
  });

  it('never transposes a parameter: large constants would be copied', () => {
    const program = gradient(square(), { of: 'loss', withRespectTo: ['w', 'x'] });
    expect(program.equations.map(({ op }) => op)).not.toContain('transpose');
  });

  it('is zero where the objective does not depend on a parameter', () => {
    const b = new Builder();
    const x = b.input('x', [2]);
    const y = b.input('y', [3]);
    const forward = b.build('p', { loss: b.sum(x, [0]), y });
    const program = gradient(forward, { of: 'loss', withRespectTo: ['y'] });
    verify(program);
    const zero = program.equations.find(
      ({ output }) => output === program.results.find(({ name }) => name === 'gradient/y')?.value,
    );
    expect(zero).toMatchObject({ op: 'fill', attributes: { shape: [3], value: 0 } });
  });

  it.each([
    ['an unknown result', 'gain', ['w'], 'program has no result gain'],
    ['a result that is no scalar', 'y', ['w'], 'y is not a scalar'],
    ['an unknown parameter', 'loss', ['v'], 'program has no parameter v'],
    ['a parameter that was not used', 'loss', ['idle'], 'program has no parameter idle'],
  ])('refuses %s', (_, of, withRespectTo, message) => {
    expect(() => gradient(square(), { of, withRespectTo })).toThrow(message);
  });

  it('has no rule for an input that does not exist', () => {
    const b = new Builder();
    const x = b.input('x', [2]);
    const context = { g: b, inputs: [], output: x, cotangent: x, attributes: {} };
    expect(() => vjp('add', context, 0)).toThrow('input 0 is missing');
    expect(() => vjp('fill', context, 0)).toThrow('fill has no inputs');
  });
});
