import { describe, expect, it } from 'vitest';
import { Builder } from '../../../main/graph/builder.ts';
import type { Program, Value } from '../../../main/graph/program.ts';
import { verify } from '../../../main/graph/verify.ts';

function wellFormed(): Program {
  const b = new Builder();
  const x = b.input('x', [2, 3], { batch: true });
  const w = b.constant('w', [3]);
  return b.build('p', { y: b.unary('exp', b.add(x, w)) });
}

const value = (index: number) => index as Value;

describe('verify', () => {
  it('accepts a well-formed program', () => {
    expect(() => verify(wellFormed())).not.toThrow();
  });

  const malformed: readonly [string, (program: Program) => Partial<Program>, RegExp][] = [
    [
      'two parameters of one name',
      ({ parameters }) => ({ parameters: parameters.map((p) => ({ ...p, name: 'x' })) }),
      /parameter "x" is declared twice/,
    ],
    [
      'a parameter without a shape',
      ({ parameters }) => ({
        parameters: [...parameters, { name: 'z', kind: 'input', value: value(99) }],
      }),
      /value %99 is not defined/,
    ],
    [
      'two parameters of one value',
      ({ parameters }) => ({
        parameters: [...parameters, { name: 'z', kind: 'input', value: value(0) }],
      }),
      /parameter "z": %0 is defined twice/,
    ],
    [
      'an equation that defines a value again',
      ({ equations }) => ({ equations: [...equations, ...equations.slice(-1)] }),
      /%3 = exp: %3 is defined twice/,
    ],
    [
      'equations out of order',
      ({ equations }) => ({ equations: equations.toReversed() }),
      /%3 = exp: %2 is used before it is defined/,
    ],
    [
      'an equation that uses its own output',
      ({ equations }) => ({ equations: equations.map((e) => ({ ...e, inputs: [e.output] })) }),
      /%2 = add: %2 is used before it is defined/,
    ],
    [
      'a wrong shape',
      ({ shapes }) => ({ shapes: shapes.map((shape, i) => (i === 3 ? [3, 2] : shape)) }),
      /%3 = exp: shape is \[3, 2\], must be \[2, 3\]/,
    ],
    [
      'inputs that do not fit',
      ({ shapes }) => ({ shapes: shapes.map((shape, i) => (i === 1 ? [4] : shape)) }),
      /do not broadcast/,
    ],
    [
      'too few inputs',
      ({ equations }) => ({
        equations: equations.map((e) => ({ ...e, inputs: e.inputs.slice(0, 1) })),
      }),
      /add takes 2 inputs, not 1/,
    ],
    [
      'a result that nothing defines',
      ({ shapes }) => ({ results: [{ name: 'y', value: value(4) }], shapes: [...shapes, []] }),
      /result "y": %4 is used before it is defined/,
    ],
    [
      'a batch input that is no parameter',
      () => ({ batchInputs: ['images'] }),
      /batch input "images" is not a parameter/,
    ],
    [
      'a batch input without a leading dimension',
      ({ parameters }) => ({
        parameters,
        equations: [],
        results: [],
        shapes: [[], [3]],
      }),
      /batch input "x" has no leading dimension/,
    ],
    [
      'a constant as a batch input',
      () => ({ batchInputs: ['w'] }),
      /batch input "w" is a constant/,
    ],
    [
      'two results of one name',
      ({ results }) => ({ results: [...results, ...results] }),
      /result "y" is given twice/,
    ],
  ];
  it.each(malformed)('refuses %s', (_, spoil, message) => {
    const program = wellFormed();
    expect(() => verify({ ...program, ...spoil(program) })).toThrow(message);
  });
});
