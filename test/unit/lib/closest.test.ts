import { expect, it } from 'vitest';
import { closest } from '../../../main/lib/closest.ts';

const known = ['simple_average', 'task_arithmetic', 'ties', 'wemoe', 'seed'];

it.each([
  ['task_arithmetc', 'task_arithmetic'],
  ['taskArithmetic', 'task_arithmetic'],
  ['task', 'task_arithmetic'],
  ['tise', 'ties'],
  ['seeds', 'seed'],
  ['WEMOE', 'wemoe'],
  ['dare', undefined],
  ['', undefined],
  ['x'.repeat(10_000), undefined],
])('%s → %s', (word, meant) => {
  expect(closest(word, known)).toBe(meant);
});

it('knows nothing among nothing', () => {
  expect(closest('ties', [])).toBeUndefined();
});
