/** What a watched run tells, summed up into what the window draws. Pure, so that it can be tested without a window. */
import type { Curves, RunCard, RunProgress, RunUpdate } from '../../main/api/runs.ts';
import type { Failure } from './errors.ts';

/** The state of one watched run. */
export interface Watched {
  readonly run: RunCard | undefined;
  readonly progress: RunProgress | undefined;
  /** By method, in the order in which they began. */
  readonly curves: readonly Curves[];
  /** Accuracies that are known already: [method][task]. */
  readonly accuracy: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly failure: Failure | undefined;
}

export const nothingWatched: Watched = {
  run: undefined,
  progress: undefined,
  curves: [],
  accuracy: {},
  failure: undefined,
};

function joinRecords<T>(
  a: Readonly<Record<string, readonly T[]>>,
  b: Readonly<Record<string, readonly T[]>>,
): Record<string, T[]> {
  const joined: Record<string, T[]> = {};
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    joined[key] = [...(a[key] ?? []), ...(b[key] ?? [])];
  }
  return joined;
}

/** Appends new points to a method's curves. */
export function appendPoints(curves: Curves, points: Curves): Curves {
  return {
    method: curves.method,
    title: points.title,
    steps: [...curves.steps, ...points.steps],
    loss: [...curves.loss, ...points.loss],
    entropy: joinRecords(curves.entropy, points.entropy),
    usage: joinRecords(curves.usage, points.usage),
    driftSteps: [...curves.driftSteps, ...points.driftSteps],
    drift: [...curves.drift, ...points.drift],
    accuracySteps: [...curves.accuracySteps, ...points.accuracySteps],
    accuracy: joinRecords(curves.accuracy, points.accuracy),
    keptStep: points.keptStep ?? curves.keptStep,
    collapses: points.collapses,
  };
}

function withCurves(all: readonly Curves[], method: string, next: Curves): readonly Curves[] {
  return all.some((one) => one.method === method)
    ? all.map((one) => (one.method === method ? next : one))
    : [...all, next];
}

/** The state after one update. */
export function applyUpdate(state: Watched, update: RunUpdate): Watched {
  switch (update.type) {
    case 'state':
      return { ...state, run: update.run, progress: update.progress ?? undefined };
    case 'progress':
      return { ...state, progress: update.progress };
    case 'curves':
      return { ...state, curves: withCurves(state.curves, update.curves.method, update.curves) };
    case 'points': {
      const { points } = update;
      const known = state.curves.find((one) => one.method === points.method);
      const next = known === undefined ? points : appendPoints(known, points);
      return { ...state, curves: withCurves(state.curves, points.method, next) };
    }
    case 'evaluation': {
      const { method, task, accuracy } = update;
      const ofMethod = { ...state.accuracy[method], [task]: accuracy };
      return { ...state, accuracy: { ...state.accuracy, [method]: ofMethod } };
    }
    case 'failed':
      return { ...state, failure: update.failure };
  }
}

/** An exponential moving average; `weight` is how much of the past is kept. The start is not biased towards 0. */
export function smooth(values: readonly number[], weight = 0.9): number[] {
  let average = 0;
  let mass = 0;
  return values.map((value) => {
    average = weight * average + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return average / mass;
  });
}

/** Where each phase begins and ends within its method, so that a bar never goes back when a phase begins. */
const phaseShares: Record<RunProgress['phase'], readonly [from: number, to: number]> = {
  loading: [0, 0],
  merging: [0, 0.05],
  preparing: [0.05, 0.1],
  adapting: [0.1, 0.8],
  evaluating: [0.8, 1],
  exporting: [1, 1],
};

/** The share of the whole run that is done, counting methods as equals. */
export function runShare(progress: RunProgress): number {
  const { done, total, methodsDone, methodsTotal, phase } = progress;
  if (methodsTotal === 0) return 0;
  const [from, to] = phaseShares[phase];
  const within = from + (to - from) * (total > 0 ? Math.min(1, done / total) : 0);
  return Math.min(1, (methodsDone + within) / methodsTotal);
}
