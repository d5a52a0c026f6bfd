import { describe, expect, it } from 'vitest';
import { duration, Progress } from '../../../main/cli/progress.ts';
import type { Terminal } from '../../../main/cli/terminal.ts';

function watch(terminal: Terminal): { progress: Progress; clock: { ms: number }; out: string[] } {
  const clock = { ms: 0 };
  const out: string[] = [];
  const write = (text: string): void => void out.push(text);
  return { progress: new Progress({ write, terminal, now: () => clock.ms }), clock, out };
}

const live: Terminal = { isTTY: true, colour: 'none', width: 90 };
const log: Terminal = { isTTY: false, colour: 'none', width: 90 };
const erase = '\r\x1b[2K';

describe('on a terminal', () => {
  it('keeps one live line, redrawn at most ten times a second', () => {
    const { progress, clock, out } = watch(live);
    progress.start('Adapting', 300, 'steps');
    for (let step = 1; step <= 150; step++) {
      clock.ms += 20;
      progress.update(step, 'loss 1.234');
    }
    expect(out.length).toBe(31);
    expect(out.at(-1)).toBe(
      `${erase}Adapting ━━━━━━━━━━────────── 150/300 steps, 50 steps/s, 3.0 s left, loss 1.234`,
    );
    progress.finish();
    expect(out.slice(-2)).toEqual([
      erase,
      'Adapting: 150 steps in 3.0 s, 50 steps/s, loss 1.234\n',
    ]);
  });

  it('never wraps', () => {
    const { progress, clock, out } = watch({ ...live, width: 40 });
    progress.start('Evaluating WEMoE on street digits', 4000, 'images');
    clock.ms = 1000;
    progress.update(1000, 'a note that is rather long');
    for (const text of out) expect(text.slice(erase.length).length).toBeLessThanOrEqual(39);
  });

  it('prints lines above the live line', () => {
    const { progress, clock, out } = watch(live);
    progress.log('Loading');
    progress.start('Reading', 0, 'files');
    clock.ms = 500;
    progress.update(2);
    progress.log('a warning');
    expect(out).toEqual([
      'Loading\n',
      `${erase}Reading`,
      `${erase}Reading 2 files, 4.0 files/s`,
      erase,
      'a warning\n',
      `${erase}Reading 2 files, 4.0 files/s`,
    ]);
    progress.abandon();
    expect(out.at(-1)).toBe(erase);
    progress.update(3);
    progress.finish();
    expect(out).toHaveLength(7);
  });

  it('takes the rate of the last seconds', () => {
    const { progress, clock, out } = watch(live);
    progress.start('Adapting', 1000, 'steps');
    clock.ms = 60_000;
    progress.update(10);
    for (let step = 11; step <= 200; step++) {
      clock.ms += 200;
      progress.update(step);
    }
    expect(out.at(-1)).toContain('200/1000 steps, 5.0 steps/s, 2:40 left');
  });

  it('colours only the bar', () => {
    const { progress, out } = watch({ ...live, colour: 'basic' });
    progress.start('Adapting', 2, 'steps');
    expect(out.at(-1)).toBe(`${erase}Adapting \x1b[36m────────────────────\x1b[0m 0/2 steps`);
  });
});

describe('in a log', () => {
  it('prints a plain line at most every five seconds, and one at the end', () => {
    const { progress, clock, out } = watch(log);
    progress.start('Adapting', 300, 'steps');
    for (let step = 1; step <= 300; step++) {
      clock.ms += 40;
      progress.update(step);
    }
    progress.start('Exporting', 0, 'files');
    clock.ms += 500;
    progress.finish('verified');
    expect(out).toEqual([
      'Adapting: 125/300 steps, 25 steps/s, 7.0 s left\n',
      'Adapting: 250/300 steps, 25 steps/s, 2.0 s left\n',
      'Adapting: 300 steps in 12 s, 25 steps/s\n',
      'Exporting: 0.5 s, verified\n',
    ]);
  });
});

it('says how long', () => {
  expect([40, 9_940, 9_960, 59_400, 59_600, 125_000, 3_725_000].map(duration)).toEqual([
    '0.0 s',
    '9.9 s',
    '10 s',
    '59 s',
    '1:00',
    '2:05',
    '1:02:05',
  ]);
});
