import { describe, expect, it } from 'vitest';
import type { RunCard, RunState } from '../../../main/api/runs.ts';
import { defaultRun, preselected } from '../../../renderer/views/export/words.ts';
import { groupDifferences } from '../../../renderer/views/runs/difference.ts';
import { arrangeRuns } from '../../../renderer/views/runs/order.ts';
import { reasonText, relativeTime } from '../../../renderer/views/runs/words.ts';

function run(id: string, more: Partial<RunCard> = {}): RunCard {
  return {
    id,
    title: id,
    status: 'done',
    message: null,
    createdAt: '2026-01-01T00:00:00Z',
    changedAt: '2026-01-01T00:00:00Z',
    starred: false,
    note: '',
    tasks: ['a'],
    methods: [
      { id: 'ties', title: 'TIES-Merging', finished: true },
      { id: 'wemoe', title: 'WEMoE', finished: false },
    ],
    best: null,
    bytes: 1,
    ...more,
  };
}

const best = (average: number) => ({ method: 'wemoe', average, normalizedAverage: null });
const runs = [
  run('old', { best: best(0.9), starred: true, bytes: 3 }),
  run('middle', {
    createdAt: '2026-01-02T00:00:00Z',
    best: best(0.5),
    note: 'Higher learning rate',
  }),
  run('new', { createdAt: '2026-01-03T00:00:00Z', status: 'cancelled', bytes: 2 }),
  run('live', { createdAt: '2025-01-03T00:00:00Z', status: 'running' }),
];
const ids = (list: readonly RunCard[]) => list.map(({ id }) => id);

describe('the history', () => {
  it('keeps the run in progress on top of every order', () => {
    expect(ids(arrangeRuns(runs, 'all', '', 'newest'))).toEqual(['live', 'new', 'middle', 'old']);
    expect(ids(arrangeRuns(runs, 'all', '', 'oldest'))).toEqual(['live', 'old', 'middle', 'new']);
    expect(ids(arrangeRuns(runs, 'all', '', 'best'))).toEqual(['live', 'old', 'middle', 'new']);
    expect(ids(arrangeRuns(runs, 'all', '', 'size'))[1]).toBe('old');
    expect(ids(arrangeRuns(runs, 'all', '', 'title'))[1]).toBe('middle');
  });

  it('filters by state and by every word of the search', () => {
    expect(ids(arrangeRuns(runs, 'starred', '', 'newest'))).toEqual(['old']);
    expect(ids(arrangeRuns(runs, 'finished', '', 'newest'))).toEqual(['middle', 'old']);
    expect(ids(arrangeRuns(runs, 'unfinished', '', 'newest'))).toEqual(['live', 'new']);
    expect(ids(arrangeRuns(runs, 'all', '  RATE higher ', 'newest'))).toEqual(['middle']);
    expect(arrangeRuns(runs, 'all', 'higher nothing', 'newest')).toEqual([]);
  });
});

it('every state that can be resumed says why it stands still', () => {
  const states: RunState[] = ['created', 'cancelled', 'interrupted', 'failed'];
  for (const status of states) {
    const stopped = run('x', { status, message: 'the disk is full' });
    expect(reasonText(stopped)).toMatch(/^[A-Z].*\.$/);
  }
  expect(reasonText(run('x', { status: 'failed', message: 'the disk is full' }))).toBe(
    'The disk is full. 1 of 2 methods are finished and kept.',
  );
  expect(reasonText(run('x', { status: 'cancelled', message: 'cancelled' }))).toBe(
    'Stopped on request. 1 of 2 methods are finished and kept.',
  );
  expect(reasonText(run('x', { status: 'failed', message: 'unreadable', methods: [] }))).toBe(
    'Unreadable.',
  );
  expect(reasonText(run('x'))).toBeNull();
});

it('times are told relative to now, never in the future', () => {
  const now = Date.parse('2026-01-02T12:00:00Z');
  expect(relativeTime('2026-01-02T11:59:30Z', now)).toBe('just now');
  expect(relativeTime('2026-01-02T12:00:30Z', now)).toBe('just now');
  expect(relativeTime('2026-01-02T09:00:00Z', now)).toBe('3 hours ago');
  expect(relativeTime('2026-01-01T09:00:00Z', now)).toBe('yesterday');
  expect(relativeTime('nonsense', now)).toBe('at an unknown time');
});

it('differences of recipes are grouped by method, task and section', () => {
  const groups = groupDifferences([
    { place: 'seed', a: 0, b: 1 },
    { place: 'methods.wemoe_1.learning_rate', a: 0.001, b: 0.01 },
    { place: 'methods.ties', a: null, b: 'ties' },
    { place: 'methods.wemoe_1.steps', a: 150, b: null },
    { place: 'adaptation.batch', a: 16, b: 8 },
    { place: 'tasks.mnist.expert', a: 'x', b: 'y' },
  ]);
  expect(groups.map(({ title, rows }) => [title, rows.length])).toEqual([
    ['General', 1],
    ['Method wemoe_1', 2],
    ['Method ties', 1],
    ['Adaptation', 1],
    ['Task mnist', 1],
  ]);
  expect(groups[1]?.rows[0]).toEqual({
    name: 'learning rate',
    a: '0.001',
    b: '0.01',
    change: 'changed',
  });
  expect(groups[1]?.rows[1]?.change).toBe('only-a');
  expect(groups[2]?.rows[0]).toMatchObject({ name: 'present', a: null, change: 'only-b' });
});

it('an export begins with the newest finished run and the recommended choice', () => {
  expect(defaultRun(runs)?.id).toBe('middle');
  expect(defaultRun([run('x', { status: 'failed' })])).toBeUndefined();
  const choice = {
    format: 'onnx',
    mode: 'static',
    title: '',
    summary: '',
    bytes: 1,
    average: null,
    normalizedAverage: null,
    recommended: false,
  } as const;
  const recommended = { ...choice, mode: 'dynamic', recommended: true } as const;
  expect(preselected([choice, recommended])).toBe(recommended);
  expect(preselected([choice])).toBe(choice);
});
