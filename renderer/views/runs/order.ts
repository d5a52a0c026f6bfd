/** Which runs the history shows, and in which order. */
import type { RunCard } from '../../../main/api/runs.ts';

export type RunFilter = 'all' | 'starred' | 'finished' | 'unfinished';
export type RunOrder = 'newest' | 'oldest' | 'best' | 'title' | 'size';

/** Runs that match the filter and every word of `text`, in order; a run in progress comes first. */
export function arrangeRuns(
  runs: readonly RunCard[],
  filter: RunFilter,
  text: string,
  order: RunOrder,
): RunCard[] {
  const words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return runs
    .filter((run) => matchesFilter(run, filter) && matchesWords(run, words))
    .sort((a, b) => Number(isLive(b)) - Number(isLive(a)) || comparisons[order](a, b));
}

/** Whether it holds the compute process at this moment. */
function isLive({ status }: RunCard): boolean {
  return status === 'running' || status === 'paused';
}

function matchesFilter(run: RunCard, filter: RunFilter): boolean {
  switch (filter) {
    case 'all':
      return true;
    case 'starred':
      return run.starred;
    case 'finished':
      return run.status === 'done';
    case 'unfinished':
      return run.status !== 'done';
  }
}

function matchesWords(run: RunCard, words: readonly string[]): boolean {
  const text = [run.id, run.title, run.note, ...run.methods.map(({ title }) => title)]
    .join('\n')
    .toLocaleLowerCase();
  return words.every((word) => text.includes(word));
}

const newest = (a: RunCard, b: RunCard): number =>
  Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : -1);

const comparisons: Record<RunOrder, (a: RunCard, b: RunCard) => number> = {
  newest,
  oldest: (a, b) => newest(b, a),
  best: (a, b) => (b.best?.average ?? -1) - (a.best?.average ?? -1) || newest(a, b),
  title: (a, b) => a.title.localeCompare(b.title, undefined, { numeric: true }) || newest(a, b),
  size: (a, b) => b.bytes - a.bytes || newest(a, b),
};
