/** A run that was interrupted, wherever and however, ends with the bytes of one that was not. */
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChosenEngine } from '../../../main/engine/choice.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { randomStream } from '../../../main/lib/random.ts';
import { runJob, type JobOptions } from '../../../main/runs/job.ts';
import { readRunRecord, type RunFolder } from '../../../main/runs/run-folder.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject, type TinyProject } from '../../support/tiny-project.ts';
import { briefConfig, briefMethods, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

let engine: ChosenEngine;
let project: TinyProject;
let uninterrupted: Record<string, string>;

beforeAll(async () => {
  engine = await tinyEngine();
  project = await createTinyProject(await temporaryFolder(), briefMethods, briefConfig);
  const run = await project.createRun();
  await runJob(run, { engine });
  uninterrupted = await comparableFiles(run);
});

class Crash extends Error {}

const eventsLogged = ({ eventsPath }: RunFolder) =>
  existsSync(eventsPath) ? readFileSync(eventsPath, 'latin1').split('\n').length - 1 : 0;

/**
 * Interrupts a new run when the log is `stride` events longer than it ever was, goes on, and so forth
 * to the end. Returns how often it was interrupted.
 */
async function interruptEvery(
  stride: number,
  run: RunFolder,
  interrupt: (abort: () => void) => void,
  options: Partial<JobOptions> = {},
): Promise<number> {
  let reached = 1 - stride;
  for (let interruptions = 0; ; interruptions++) {
    if (interruptions > 100) throw new Error('the run does not come to an end');
    const controller = new AbortController();
    let due = true;
    const onEvent = () => {
      const logged = eventsLogged(run);
      if (!due || logged < reached + stride) return;
      due = false;
      reached = logged;
      interrupt(() => controller.abort());
    };
    try {
      await runJob(run, { engine, onEvent, signal: controller.signal, ...options });
      return interruptions;
    } catch (error) {
      if (!(error instanceof Crash) && !(error instanceof CancelledError)) throw error;
      const { status } = await readRunRecord(run);
      expect(status).toBe(error instanceof Crash ? 'failed' : 'cancelled');
    }
  }
}

describe('interrupted over and over', { timeout: 120_000 }, () => {
  const crash = () => {
    throw new Crash('now');
  };

  it('by a failure, without saved state', async () => {
    const run = await project.createRun();
    expect(await interruptEvery(3, run, crash)).toBeGreaterThan(6);
    expect(await comparableFiles(run)).toEqual(uninterrupted);
  });

  it('by a failure at every event, with state saved after every step', async () => {
    const run = await project.createRun();
    expect(await interruptEvery(1, run, crash, { saveIntervalMs: 0 })).toBeGreaterThan(20);
    expect(await comparableFiles(run)).toEqual(uninterrupted);
  });

  it('by its signal', async () => {
    const run = await project.createRun();
    const interruptions = await interruptEvery(2, run, (abort) => abort());
    expect(interruptions).toBeGreaterThan(8);
    expect(await comparableFiles(run)).toEqual(uninterrupted);
  });

  it('by a cancellation in the middle of a step', async () => {
    const run = await project.createRun();
    await interruptEvery(2, run, () => {
      throw new CancelledError();
    });
    expect(await comparableFiles(run)).toEqual(uninterrupted);
  });
});

it('cancelled at random moments', { timeout: 120_000 }, async () => {
  const run = await project.createRun();
  const random = randomStream('moments');
  for (let attempt = 0, cancelled = true; cancelled; attempt++) {
    const controller = new AbortController();
    // Later and later, so that it comes to an end.
    const timer = setTimeout(() => controller.abort(), attempt * 40 * random());
    try {
      await runJob(run, { engine, signal: controller.signal, saveIntervalMs: 5 });
      cancelled = false;
    } catch (error) {
      expect(error).toBeInstanceOf(CancelledError);
    } finally {
      clearTimeout(timer);
    }
  }
  expect(await comparableFiles(run)).toEqual(uninterrupted);
});

it('cancelled before it begins leaves nothing but its recipe', async () => {
  const run = await project.createRun();
  const work = runJob(run, { engine, signal: AbortSignal.abort() });
  await expect(work).rejects.toBeInstanceOf(CancelledError);
  expect(Object.keys(await comparableFiles(run))).toEqual(['recipe.yaml']);
});
