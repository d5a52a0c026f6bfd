/** Runs in words: what a status means, when something happened. */
import type { RunCard, RunState } from '../../../main/api/runs.ts';

export type Tone = 'good' | 'busy' | 'waiting' | 'bad' | 'neutral';

export const statusWords: Readonly<Record<RunState, { title: string; tone: Tone }>> = {
  created: { title: 'Not started', tone: 'neutral' },
  running: { title: 'Running', tone: 'busy' },
  paused: { title: 'Paused', tone: 'waiting' },
  cancelled: { title: 'Stopped', tone: 'neutral' },
  interrupted: { title: 'Interrupted', tone: 'waiting' },
  done: { title: 'Finished', tone: 'good' },
  failed: { title: 'Failed', tone: 'bad' },
};

/** Why the run is not finished and what resuming would do; null for runs that need no word. */
export function reasonText(run: RunCard): string | null {
  const finished = run.methods.filter((method) => method.finished).length;
  const kept =
    finished === 0
      ? run.methods.length === 0
        ? ''
        : 'No method was finished yet.'
      : `${finished} of ${run.methods.length} methods are finished and kept.`;
  const message = run.message ?? '';
  const said = message === '' || /^cancelled\.?$/i.test(message) ? '' : ` ${sentence(message)}`;
  switch (run.status) {
    case 'cancelled':
      return `Stopped on request.${said} ${kept}`.trim();
    case 'interrupted':
      return `The compute process ended while this run was in progress.${said} ${kept} Resuming goes on from the last saved step.`;
    case 'failed':
      return `${run.message === null ? 'The run failed.' : sentence(run.message)} ${kept}`.trim();
    case 'created':
      return 'Created, but never started.';
    case 'running':
    case 'paused':
    case 'done':
      return null;
  }
}

/** First letter large, one full stop at the end. */
function sentence(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.charAt(0).toLocaleUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}

const units = [
  ['year', 365 * 24 * 3600],
  ['month', 30 * 24 * 3600],
  ['week', 7 * 24 * 3600],
  ['day', 24 * 3600],
  ['hour', 3600],
  ['minute', 60],
] as const;

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** "3 hours ago", "yesterday", "just now". A clock that was set back gives "just now", not the future. */
export function relativeTime(iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (!Number.isFinite(seconds)) return 'at an unknown time';
  for (const [unit, length] of units) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  }
  return 'just now';
}

const absolute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** "22 Nov 2026, 06:48", in the time zone of this machine. */
export function absoluteTime(iso: string): string {
  const time = Date.parse(iso);
  return Number.isFinite(time) ? absolute.format(time) : iso;
}
