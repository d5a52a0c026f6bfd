/** The guard against collapse: what it does to an adaptation, alone and in runs. */
import { describe, expect, it } from 'vitest';
import type { AdaptationState } from '../../../main/adaptation/adapt.ts';
import { StepCriterion } from '../../../main/adaptation/step-criterion.ts';
import type { Guard } from '../../../main/adaptation/method.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { BestStep } from '../../../main/runs/best-step.ts';
import { readEvents, type RunEvent } from '../../../main/runs/events.ts';
import { CollapseGuard } from '../../../main/runs/guard.ts';
import { runJob } from '../../../main/runs/job.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject } from '../../support/tiny-project.ts';
import { briefConfig, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

/** An adaptation of two tasks whose second one gives all four classes at first, then only one. */
class Story {
  readonly state: AdaptationState = {
    step: 0,
    values: new Map([['w', { shape: [1], data: Float32Array.of(0) }]]),
    adam: { first: new Map([['w', new Float32Array(1)]]), second: new Map([['w', new Float32Array(1)]]) },
    diversity: new Map(),
  };
  readonly criterion = new StepCriterion({ objective: 'entropy', classCounts: [4, 4], batch: 16 });
  readonly best = new BestStep({ onward: true });
  readonly guard: CollapseGuard;

  constructor(guard: Guard, diversity = 0) {
    this.guard = new CollapseGuard(['sound', 'weak'], { guard, diversity });
  }

  /** One step; the parameter is its number. */
  step(collapsed: boolean) {
    this.state.step += 1;
    this.state.values.get('w')!.data[0] = this.state.step;
    this.state.adam.first.get('w')![0] = this.state.step;
    const even = new Float32Array(4).fill(0.25);
    const weak = collapsed ? Float32Array.of(1, 0, 0, 0) : even;
    this.criterion.observe({ loss: 1, marginal: [even, weak], entropy: [0.5, collapsed ? 0 : 0.5] });
    this.best.offer(this.state, this.criterion);
    return this.guard.act(this.state, this.criterion, this.best);
  }

  /** Ten sound steps, then collapsed ones until something is said; at most 60. */
  collapse() {
    for (let i = 0; i < 10; i++) expect(this.step(false)).toEqual([]);
    return this.again();
  }
  again() {
    for (let i = 0; i < 60; i++) {
      const found = this.step(true);
      if (found.length > 0) return found;
    }
    return [];
  }
}

describe('the guard', () => {
  it('off says nothing', () => {
    expect(new Story('off').collapse()).toEqual([]);
  });

  it('warns once for a task and changes nothing', () => {
    const story = new Story('warn');
    const found = story.collapse();
    expect(found).toMatchObject([{ task: 'weak', action: 'none', peak: 1 }]);
    expect(found[0]!.usage).toBeLessThan(0.5);
    expect(story.again()).toEqual([]);
    expect(story.state.values.get('w')!.data[0]).toBe(story.state.step);
    expect(story.state.diversity.size).toBe(0);
  });

  it('stops: the caller keeps the best step, which is before the collapse', () => {
    const found = new Story('stop').collapse();
    expect(found).toMatchObject([{ task: 'weak', action: 'stopped' }]);
    expect(found[0]!.keptStep).toBeLessThanOrEqual(10);
    expect(found[0]!.step).toBeGreaterThan(10);
  });

  it('protects: goes back to the best step with all that belongs to it, and on with β = 1 for the task', () => {
    const story = new Story('protect');
    const [found] = story.collapse();
    const kept = found!.keptStep!;
    expect(found).toMatchObject({ task: 'weak', action: 'protected' });
    expect(kept).toBeLessThanOrEqual(10);
    expect(story.state.step).toBe(found!.step);
    expect(story.state.values.get('w')!.data[0]).toBe(kept);
    expect(story.state.adam.first.get('w')![0]).toBe(kept);
    expect([...story.state.diversity]).toEqual([[1, 1]]);
    expect(story.criterion.usage.usage[1]).toBeCloseTo(1, 12);
    // Where that does not help either, there is nothing left but to stop.
    expect(story.again()).toMatchObject([{ task: 'weak', action: 'stopped', keptStep: kept }]);
    expect(story.guard.collapses.map(({ action }) => action)).toEqual(['protected', 'stopped']);
  });

  it('has nothing to add where β is 1 already', () => {
    expect(new Story('protect', 1).collapse()).toMatchObject([{ action: 'stopped' }]);
  });
});

/** A tiny model whose predictions collapse when it learns this fast. */
function methods(guard: Guard, learning_rate = 0.2) {
  const parameters = { router_layers: 2, steps: 60, learning_rate, guard };
  return [{ id: 'wemoe_2', method: 'wemoe', parameters }];
}
async function newRun(guard: Guard, rate?: number) {
  const folder = await temporaryFolder();
  return (await createTinyProject(folder, methods(guard, rate), briefConfig)).createRun();
}
const collapsesIn = (events: readonly RunEvent[]) =>
  events.filter((event) => event.type === 'adaptation.collapsed');

describe('in a run', () => {
  it('is said in the log and the report, and costs nothing until then', async () => {
    const engine = await tinyEngine();
    const [off, on] = [await newRun('off'), await newRun('protect')];
    const plain = await runJob(off, { engine });
    const guarded = await runJob(on, { engine });
    expect(plain.methods[0]!.collapses).toBeUndefined();
    const collapses = guarded.methods[0]!.collapses!;
    expect(collapses[0]!.action).toBe('protected');
    const events = await readEvents(on.eventsPath);
    expect(collapsesIn(events)).toEqual(
      collapses.map((each) => ({ type: 'adaptation.collapsed', method: 'wemoe_2', ...each })),
    );
    // The same steps up to the one where the guard acts.
    const until = (all: readonly RunEvent[]) => {
      const end = all.findIndex(
        (event) => event.type === 'adaptation.step' && event.step === collapses[0]!.step,
      );
      return all.slice(1, end + 1);
    };
    expect(until(events)).toEqual(until(await readEvents(off.eventsPath)));
  });

  it('gives the same bytes as without where nothing collapses', async () => {
    const engine = await tinyEngine();
    const files = await Promise.all(
      (['off', 'protect'] as const).map(async (guard) => {
        const run = await newRun(guard, 0.001);
        const { methods: reports } = await runJob(run, { engine });
        const files = Object.entries(await comparableFiles(run));
        const events = (await readEvents(run.eventsPath)).slice(1); // The first names the recipe.
        const made = files.filter(([name]) => /safetensors$|predictions/.test(name));
        return { events, made, accuracy: reports[0]!.accuracy };
      }),
    );
    expect(files[0]!.made.length).toBeGreaterThan(2);
    expect(files[0]).toEqual(files[1]);
  });

  it('goes on after an interruption as if there had been none', async () => {
    const engine = await tinyEngine();
    const whole = await newRun('protect');
    const report = await runJob(whole, { engine });
    const [first] = report.methods[0]!.collapses!;
    for (const at of [first!.step - 3, first!.step + 2]) {
      const run = await newRun('protect');
      const stop = new AbortController();
      const interrupted = runJob(run, {
        engine,
        signal: stop.signal,
        onEvent: (event) =>
          event.type === 'adaptation.step' && event.step === at && stop.abort(),
      });
      await expect(interrupted).rejects.toThrow(CancelledError);
      await runJob(run, { engine });
      expect(await comparableFiles(run)).toEqual(await comparableFiles(whole));
    }
  });
});
