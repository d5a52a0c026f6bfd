/** What the window makes of the updates of a watched run. */
import { describe, expect, it } from 'vitest';
import type { Curves, RunCard, RunProgress } from '../../../main/api/runs.ts';
import {
  appendPoints,
  applyUpdate,
  nothingWatched,
  runShare,
  smooth,
} from '../../../renderer/lib/curves.ts';

const run: RunCard = {
  id: 'demo-0001',
  title: 'demo',
  status: 'running',
  message: null,
  createdAt: '2026-01-01T00:00:00Z',
  changedAt: '2026-01-01T00:00:00Z',
  starred: false,
  note: '',
  tasks: ['a', 'b'],
  methods: [{ id: 'wemoe', title: 'WEMoE', finished: false }],
  best: null,
  bytes: 0,
};

const progress: RunProgress = {
  method: 'wemoe',
  phase: 'adapting',
  detail: 'step',
  done: 25,
  total: 100,
  rate: 2,
  secondsLeft: 37,
  runSecondsLeft: 60,
  methodsDone: 1,
  methodsTotal: 4,
};

const collapse = { task: 'a', step: 2, usage: 0.3, peak: 0.9, action: 'none' } as const;

function points(steps: number[], values: Partial<Curves> = {}): Curves {
  return {
    method: 'wemoe',
    title: 'WEMoE',
    steps,
    loss: steps.map((step) => 3 - step / 10),
    entropy: { a: steps.map(() => 1), b: steps.map(() => 2) },
    usage: { a: steps.map(() => 0.9) },
    driftSteps: [],
    drift: [],
    accuracySteps: [],
    accuracy: {},
    keptStep: null,
    collapses: [],
    ...values,
  };
}

describe('a watched run', () => {
  it('takes state and progress', () => {
    const state = applyUpdate(nothingWatched, { type: 'state', run, progress: null });
    expect(state).toMatchObject({ run, progress: undefined });
    expect(applyUpdate(state, { type: 'progress', progress }).progress).toEqual(progress);
  });

  it('appends points to the curves of their method', () => {
    let state = applyUpdate(nothingWatched, { type: 'points', points: points([0, 1]) });
    state = applyUpdate(state, {
      type: 'points',
      points: points([2], {
        driftSteps: [2],
        drift: [[0.1, 0.2]],
        keptStep: 1,
        collapses: [collapse],
      }),
    });
    expect(state.curves).toHaveLength(1);
    expect(state.curves[0]).toMatchObject({
      steps: [0, 1, 2],
      loss: [3, 2.9, 2.8],
      entropy: { a: [1, 1, 1], b: [2, 2, 2] },
      usage: { a: [0.9, 0.9, 0.9] },
      drift: [[0.1, 0.2]],
      keptStep: 1,
      collapses: [collapse],
    });
  });

  it('replaces all curves of a method that began again', () => {
    let state = applyUpdate(nothingWatched, { type: 'points', points: points([0, 1, 2]) });
    state = applyUpdate(state, { type: 'points', points: points([0], { method: 'other' }) });
    state = applyUpdate(state, { type: 'curves', curves: points([0]) });
    expect(state.curves.map(({ method, steps }) => [method, steps])).toEqual([
      ['wemoe', [0]],
      ['other', [0]],
    ]);
  });

  it('does not change what was drawn already', () => {
    const before = points([0]);
    appendPoints(before, points([1]));
    expect(before.steps).toEqual([0]);
  });

  it('collects accuracies and failures', () => {
    let state = applyUpdate(nothingWatched, {
      type: 'evaluation',
      method: 'wemoe',
      task: 'a',
      accuracy: 0.5,
    });
    state = applyUpdate(state, { type: 'evaluation', method: 'wemoe', task: 'b', accuracy: 0.7 });
    expect(state.accuracy).toEqual({ wemoe: { a: 0.5, b: 0.7 } });
    const failure = { code: 'adaptation.diverged', what: 'a', hint: 'b' } as const;
    expect(applyUpdate(state, { type: 'failed', failure }).failure).toBe(failure);
  });
});

describe('progress of a run', () => {
  it('counts methods as equals', () => {
    // One of four methods is done, and a quarter of the second one's steps, which are most of its work.
    expect(runShare(progress)).toBeCloseTo((1 + 0.1 + 0.7 / 4) / 4);
    expect(runShare({ ...progress, methodsDone: 4 })).toBe(1);
    expect(runShare({ ...progress, methodsDone: 0, methodsTotal: 0 })).toBe(0);
  });

  it('never goes back from one phase to the next', () => {
    const phases = ['loading', 'merging', 'adapting', 'evaluating', 'exporting'] as const;
    const shares = phases.flatMap((phase) =>
      [0, 50, 100].map((done) => runShare({ ...progress, phase, done })),
    );
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });
});

describe('smoothing', () => {
  it('keeps a constant as it is from the first value on', () => {
    for (const value of smooth([2, 2, 2, 2])) expect(value).toBeCloseTo(2, 12);
  });

  it('follows slowly', () => {
    const [first = 0, second = 0] = smooth([0, 1], 0.9);
    expect(first).toBe(0);
    expect(second).toBeCloseTo(0.1 / 0.19);
  });
});
