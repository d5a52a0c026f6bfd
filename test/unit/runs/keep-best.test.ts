/** Ending an adaptation early must survive what any other moment of a run survives. */
import { describe, expect, it } from 'vitest';
import { StepCriterion } from '../../../main/adaptation/step-criterion.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { BestStep } from '../../../main/runs/best-step.ts';
import { RunControl } from '../../../main/runs/control.ts';
import { readEvents, type RunEvent } from '../../../main/runs/events.ts';
import { runJob } from '../../../main/runs/job.ts';
import { loadState } from '../../../main/runs/state.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject } from '../../support/tiny-project.ts';
import { briefConfig, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

const methods = [
  {
    id: 'wemoe_1',
    method: 'wemoe',
    parameters: { router_layers: 1, steps: 40, learning_rate: 0.05 },
  },
  { id: 'simple_average' },
];

async function newRun() {
  return (await createTinyProject(await temporaryFolder(), methods, briefConfig)).createRun();
}

const isStep = (event: RunEvent, step: number) =>
  event.type === 'adaptation.step' && event.step === step;

describe('keeping the best step', () => {
  it('gives the parameters an adaptation of so many steps would have had', async () => {
    const engine = await tinyEngine();
    const run = await newRun();
    const control = new RunControl();
    const report = await runJob(run, {
      engine,
      control,
      onEvent: (event) => isStep(event, 12) && control.keepBest(),
    });
    const { stoppedAt, keptStep } = report.methods[0]!;
    expect(stoppedAt).toBe(12);
    expect(keptStep).toBeLessThanOrEqual(12);
    const events = await readEvents(run.eventsPath);
    expect(events).toContainEqual({
      type: 'adaptation.stopped',
      method: 'wemoe_1',
      step: 12,
      keptStep,
    });

    const short = methods.map((entry) =>
      'parameters' in entry
        ? { ...entry, parameters: { ...entry.parameters, steps: keptStep! } }
        : entry,
    );
    const project = await createTinyProject(await temporaryFolder(), short, briefConfig);
    const plain = await runJob(await project.createRun(), { engine });
    expect(plain.methods[0]!.accuracy).toEqual(report.methods[0]!.accuracy);
    expect(plain.methods[0]!.stoppedAt).toBeUndefined();
  });

  it('is kept by a run that is cancelled right after, and by one resumed right before', async () => {
    const engine = await tinyEngine();
    const whole = await newRun();
    const first = new RunControl();
    await runJob(whole, {
      engine,
      control: first,
      onEvent: (event) => isStep(event, 12) && first.keepBest(),
    });

    const after = await newRun();
    const control = new RunControl();
    const cancel = new AbortController();
    const cancelled = runJob(after, {
      engine,
      control,
      signal: cancel.signal,
      onEvent: (event) => {
        if (isStep(event, 12)) control.keepBest();
        if (event.type === 'adaptation.stopped') cancel.abort();
      },
    });
    await expect(cancelled).rejects.toThrow(CancelledError);
    expect((await loadState(after.statePath))?.stopped?.step).toBe(12);
    await runJob(after, { engine });
    expect(await comparableFiles(after)).toEqual(await comparableFiles(whole));

    // The best step so far is part of the saved state, so interruptions do not change which one it is.
    const before = await newRun();
    const stop = new AbortController();
    const interrupted = runJob(before, {
      engine,
      control: new RunControl(),
      signal: stop.signal,
      onEvent: (event) => isStep(event, 9) && stop.abort(),
    });
    await expect(interrupted).rejects.toThrow(CancelledError);
    const later = new RunControl();
    await runJob(before, {
      engine,
      control: later,
      onEvent: (event) => isStep(event, 12) && later.keepBest(),
    });
    expect(await comparableFiles(before)).toEqual(await comparableFiles(whole));
  });
});

describe('BestStep', () => {
  /** Distillation, whose criterion is the smoothed loss. */
  const shape = { objective: 'distillation', classCounts: [2], batch: 4 } as const;
  const report = (loss: number) => ({ loss, entropy: [0], marginal: [Float32Array.of(0.5, 0.5)] });
  const array = (value: number) => new Map([['w', Float32Array.of(value)]]);

  it('compares bias-corrected averages and copies what it keeps', () => {
    const best = new BestStep({ onward: true });
    expect(best.state).toBeUndefined();
    const criterion = new StepCriterion(shape);
    const values = new Map([['w', { shape: [1], data: new Float32Array([1]) }]]);
    const adam = { first: array(0), second: array(0) };
    [4, 2, 3, 9].forEach((loss, i) => {
      values.get('w')!.data[0] = 10 * (i + 1);
      adam.first.get('w')![0] = i;
      criterion.observe(report(loss));
      best.offer({ step: i + 1, values, adam, diversity: new Map() }, criterion);
    });
    // Averages: 4; (0.9·4 + 2) / 1.9; (0.81·4 + 0.9·2 + 3) / 2.71; then far above.
    const averages = [4, (0.9 * 4 + 2) / 1.9, (0.81 * 4 + 0.9 * 2 + 3) / 2.71];
    expect(best.state!.step).toBe(2);
    expect(best.state!.score).toBeCloseTo(Math.min(...averages), 12);
    expect(best.state!.values.get('w')!.data[0]).toBe(20);
    expect(best.state!.onward!.adam.first.get('w')![0]).toBe(1);
    expect(best.state!.onward!.criterion.seen).toBe(2);
  });
});
