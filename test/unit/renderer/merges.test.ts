/** Which methods of a draft others of it may go on from, and what happens when one is called otherwise. */
import { expect, it } from 'vitest';
import type { MethodCard } from '../../../main/api/merge.ts';
import { mergesAmong, renamed } from '../../../renderer/views/merge/merges.ts';

const of = { kind: 'merge', title: 'Merge', help: '', default: '' } as const;
const cards: Record<string, Pick<MethodCard, 'kind' | 'routes' | 'parameters'>> = {
  individual: { kind: 'reference', routes: false, parameters: {} },
  ties: { kind: 'static', routes: false, parameters: {} },
  fisher: { kind: 'statistics', routes: false, parameters: {} },
  adamerging: { kind: 'adaptive', routes: false, parameters: {} },
  wemoe: { kind: 'adaptive', routes: true, parameters: {} },
  surgery: { kind: 'adaptive', routes: false, parameters: { of } },
};
const card = (method: string) => cards[method];
const entry = (id: string, method = id, parameters = {}) => ({ id, method, parameters });

it('are those with one set of weights', () => {
  const entries = [...Object.keys(cards), 'of another version'].map((id) => entry(id));
  expect(mergesAmong(entries, card)).toEqual(['ties', 'fisher', 'adamerging']);
});

it('are still found under a new name', () => {
  const entries = [
    entry('sparse', 'ties'),
    entry('a', 'surgery', { of: 'ties', rank: 4 }),
    entry('b', 'surgery', { of: 'fisher' }),
    entry('c', 'surgery'),
  ];
  expect(renamed(entries, 'ties', 'sparse', card).map(({ parameters }) => parameters)).toEqual([
    {},
    { of: 'sparse', rank: 4 },
    { of: 'fisher' },
    {},
  ]);
  expect(renamed(entries, 'ties', 'ties', card)).toBe(entries);
});
