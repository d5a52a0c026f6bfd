/** What the guard against collapse noticed, in words. */
import type { Collapse } from '../api/report.ts';

/** "step 74: predictions on planets collapse (classes used 28 %, at most 64 % before); …" */
export function collapseText({ task, step, usage, peak, action, keptStep }: Collapse): string {
  const percent = (share: number) => `${String(Math.round(100 * share))} %`;
  const back = `back to step ${String(keptStep ?? 0)}`;
  const done = {
    none: 'nothing was done',
    stopped: `${back}, and ended there`,
    protected: `${back}, and on with β = 1 for ${task}`,
  }[action];
  return `step ${String(step)}: predictions on ${task} collapse (use of classes ${percent(usage)}, at most ${percent(peak)} before); ${done}`;
}
