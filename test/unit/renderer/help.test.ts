import { describe, expect, test } from 'vitest';
import type { MethodCard } from '../../../main/api/merge.ts';
import {
  acceleratorOf,
  shellEntries,
  windowEntries,
  type MenuEntry,
} from '../../../main/api/menu.ts';
import { papersOf } from '../../../renderer/help/papers.ts';
import { steps } from '../../../renderer/help/steps.ts';
import { terms } from '../../../renderer/help/terms.ts';
import { keysOf } from '../../../renderer/lib/keys.ts';

const entries: readonly MenuEntry[] = [
  ...Object.values(shellEntries),
  ...Object.values(windowEntries),
];

describe('keys of the menu', () => {
  test.each([
    [windowEntries['view.routing'], ['Ctrl', '3'], ['⌘', '3']],
    [windowEntries['edit.redo'], ['Ctrl', 'Y'], ['⌘', '⇧', 'Z']],
    [windowEntries['run.cancel'], ['Ctrl', '.'], ['⌘', '.']],
    [shellEntries.zoomIn, ['Ctrl', '+'], ['⌘', '+']],
    [shellEntries.zoomOut, ['Ctrl', '−'], ['⌘', '−']],
    [{ menu: 'Edit', label: 'No keys' } as const, [], []],
  ])('%o', (entry, other, mac) => {
    expect(keysOf(entry, false)).toEqual(other);
    expect(keysOf(entry, true)).toEqual(mac);
  });

  test.each([false, true])('no two entries share them (macOS: %s)', (isMac) => {
    const all = entries.flatMap((entry) => acceleratorOf(entry, isMac) ?? []);
    expect(all).toHaveLength(new Set(all).size);
  });
});

describe('the help', () => {
  test('goes from the project to the export', () => {
    expect(steps.map(({ view }) => view)).toEqual([
      'project',
      'merge',
      'routing',
      'compare',
      'export',
    ]);
  });

  test('explains each term once', () => {
    const names = terms.map(({ name }) => name);
    expect(names).toHaveLength(new Set(names).size);
  });

  test('names each paper once, with all methods built after it', () => {
    const card = (title: string, paper: MethodCard['paper']): MethodCard => ({
      id: title.toLowerCase(),
      kind: 'static',
      family: '',
      title,
      summary: '',
      formula: null,
      paper,
      routes: false,
      parameters: {},
    });
    const soups = { title: 'Soups', url: 'https://example.org/soups' };
    const ties = { title: 'TIES', url: 'https://example.org/ties' };
    expect(
      papersOf([card('A', soups), card('B', null), card('C', ties), card('D', { ...soups })]),
    ).toEqual([
      { paper: soups, methods: ['A', 'D'] },
      { paper: ties, methods: ['C'] },
    ]);
  });
});
