/** What the guard against collapse noticed and did, in words. */
import type { Collapse } from '../../main/api/report.ts';
import { percent } from './format.ts';

/** One sentence about what was seen, one about what was done. */
export function collapseText(
  { task, step, usage, peak, action, keptStep }: Collapse,
  title: (task: string) => string,
): string {
  const name = title(task);
  const seen = `At step ${step} nearly all images of ${name} got few of its classes (use of classes ${percent(usage, 0)}, at most ${percent(peak, 0)} before).`;
  const back = `step ${keptStep ?? 0}, the best one by a criterion without labels`;
  switch (action) {
    case 'none':
      return `${seen} Nothing was done about it: set the guard of the method to stop or protect.`;
    case 'stopped':
      return `${seen} The adaptation ended there, with the parameters of ${back}.`;
    case 'protected':
      return `${seen} It went back to ${back}, and on with a reward for using all classes of ${name}.`;
  }
}
