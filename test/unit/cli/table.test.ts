import { describe, expect, it } from 'vitest';
import { renderResults } from '../../../main/cli/table.ts';
import { displayWidth } from '../../../main/cli/terminal.ts';
import { plain, reportOf } from './fixture.ts';

describe('renderResults', () => {
  it('says what was unseen, corrupted, mixed, and what collapsed', () => {
    const plainReport = reportOf(['mnist', 'kana']);
    const [first, second] = plainReport.taskDetails;
    const report = {
      ...plainReport,
      mixed: { adaptation: false, evaluation: true },
      taskDetails: [
        { ...first!, corruption: { kind: 'spatter', severity: 2, constants: 'by-size' as const } },
        { ...second!, unseen: true as const },
      ],
      methods: plainReport.methods.map((method, i) => ({
        ...method,
        unseenAverage: method.accuracy['kana']!,
        ...(i < 3
          ? {}
          : {
              collapses: [
                {
                  task: 'mnist',
                  step: 9,
                  usage: 0.2,
                  peak: 0.8,
                  action: 'protected' as const,
                  keptStep: 4,
                },
              ],
            }),
      })),
    };
    const text = renderResults(report, plain(120));
    expect(text.split('\n')[0]).toMatch(/mnist +kana°† +average +unseen° +normalized$/);
    expect(text).toContain('°: unseen: measured only (kana); the average is over the others.');
    expect(text).toContain('Corrupted images: mnist (spatter 2).');
    expect(text).toContain('Batches of mixed tasks: evaluation.');
    expect(text.replaceAll('\n', ' ')).toContain(
      'WEMoE, l = 2, step 9: predictions on mnist collapse (use of classes 20 %, at most 80 % before); back to step 4, and on with β = 1 for mnist.',
    );
  });

  it('fits into one block where there is room', () => {
    expect(renderResults(reportOf(['mnist', 'streetdigits', 'kana']), plain(100))).toBe(
      `
method            mnist  streetdigits†   kana  average  normalized
───────────────────────────────────────────────────────────────────
Pre-trained        30.0           31.0   32.0     31.0        34.1
Individual models  90.0           91.0   92.0     91.0       100.0
───────────────────────────────────────────────────────────────────
Task arithmetic    87.5*          51.0   52.0     63.5        69.9
WEMoE, l = 2       80.0           81.0*  82.0*    81.0*       89.0*

Accuracy in %; normalized: mean of accuracy ÷ that of the individual model. *: best merge of the
column.
†: images drawn by a program (streetdigits).`.slice(1),
    );
  });

  it('abbreviates headings where there is a little less', () => {
    expect(renderResults(reportOf(['mnist', 'streetdigits', 'kana']), plain(64))).toBe(
      `
method            mnist  streetdi…†   kana  average  normalized
────────────────────────────────────────────────────────────────
Pre-trained        30.0        31.0   32.0     31.0        34.1
Individual models  90.0        91.0   92.0     91.0       100.0
────────────────────────────────────────────────────────────────
Task arithmetic    87.5*       51.0   52.0     63.5        69.9
WEMoE, l = 2       80.0        81.0*  82.0*    81.0*       89.0*

Accuracy in %; normalized: mean of accuracy ÷ that of the
individual model. *: best merge of the column.
†: images drawn by a program (streetdigits).
streetdi… = streetdigits.`.slice(1),
    );
  });

  it('sets the columns in blocks where there is too little', () => {
    expect(renderResults(reportOf(['mnist', 'streetdigits', 'kana']), plain(46))).toBe(
      `
method            mnist  streetdigits†   kana
──────────────────────────────────────────────
Pre-trained        30.0           31.0   32.0
Individual models  90.0           91.0   92.0
──────────────────────────────────────────────
Task arithmetic    87.5*          51.0   52.0
WEMoE, l = 2       80.0           81.0*  82.0*

method            average  normalized
──────────────────────────────────────
Pre-trained          31.0        34.1
Individual models    91.0       100.0
──────────────────────────────────────
Task arithmetic      63.5        69.9
WEMoE, l = 2         81.0*       89.0*

Accuracy in %; normalized: mean of accuracy ÷
that of the individual model. *: best merge of
the column.
†: images drawn by a program (streetdigits).`.slice(1),
    );
  });

  it('is bold where it is marked, and the same text otherwise', () => {
    const report = reportOf(['mnist']);
    const text = renderResults(report, { isTTY: true, colour: 'basic', width: 80 });
    expect(text).toContain('\x1b[1m 87.5*\x1b[0m');
    expect(text.replace(/\x1b\[[0-9]*m/g, '')).toBe(renderResults(report, plain(80)));
  });

  it('marks every merge that shares the best value, and none when there is only one', () => {
    const report = reportOf(['mnist']);
    const accuracy = { mnist: 0.5 };
    const methods = report.methods.map((method) => ({ ...method, accuracy }));
    expect(renderResults({ ...report, methods }, plain(80)).match(/50\.0\*/g)).toHaveLength(2);
    const single = { ...report, methods: report.methods.slice(0, 3) };
    expect(renderResults(single, plain(80))).not.toContain('*');
  });

  it('shows what cannot be compared as a dash', () => {
    const report = reportOf(['mnist']);
    const methods = report.methods
      .slice(2)
      .map((method) => ({ ...method, normalizedAverage: null }));
    expect(renderResults({ ...report, methods }, plain(80))).toMatch(/Task arithmetic .* –$/m);
  });

  it.each([30, 40, 60, 80, 100, 120, 200])('never wraps at %i columns', (width) => {
    const tasks = [
      'mnist',
      'fashion',
      'streetdigits',
      'signs',
      'planets',
      'letters',
      'kana',
      'emoji',
    ];
    for (const line of renderResults(reportOf(tasks), plain(width)).split('\n')) {
      expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });
});
