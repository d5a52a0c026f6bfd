/** Formulas of methods, cut into what is typeset. */
import { describe, expect, it } from 'vitest';
import { adaptiveMethods } from '../../../main/adaptation/methods.ts';
import { methods } from '../../../main/merging/index.ts';
import { parseFormula, type FormulaPart } from '../../../renderer/lib/formula.ts';

function text(part: FormulaPart): string {
  switch (part.kind) {
    case 'name':
      return part.base + (part.hat ? '\u0302' : '') + part.index;
    case 'sum':
      return 'Σ';
    case 'fraction':
      return `(${part.top}/${part.bottom})`;
    case 'number':
    case 'words':
    case 'operator':
      return part.text;
  }
}

describe('formulas', () => {
  it('reads letters with an index, sums and brackets', () => {
    expect(parseFormula('θ = θ0 + λ Σ θk')).toEqual([
      [
        { kind: 'name', base: 'θ', hat: false, index: '' },
        { kind: 'operator', text: '=' },
        { kind: 'name', base: 'θ', hat: false, index: '0' },
        { kind: 'operator', text: '+' },
        { kind: 'name', base: 'λ', hat: false, index: '' },
        { kind: 'sum' },
        { kind: 'name', base: 'θ', hat: false, index: 'k' },
      ],
    ]);
  });

  it('reads hats, fractions and words', () => {
    expect(parseFormula('(1/K) τ̂k largest values of')).toEqual([
      [
        { kind: 'fraction', top: '1', bottom: 'K' },
        { kind: 'name', base: 'τ', hat: true, index: 'k' },
        { kind: 'words', text: 'largest values of' },
      ],
    ]);
  });

  it('divides lines at commas outside of brackets only', () => {
    expect(parseFormula('a = f(x, y), b = c')).toHaveLength(2);
  });

  const formulas = [...methods, ...adaptiveMethods].map(({ id, formula }) => [id, formula]);
  it.each(formulas)('loses nothing of the formula of %s', (_, formula = '') => {
    const bare = (value: string) => value.replace(/[\s,]/g, '');
    const typeset = parseFormula(formula)
      .map((line) => line.map(text).join(''))
      .join('');
    expect(bare(typeset)).toBe(bare(formula));
  });
});
