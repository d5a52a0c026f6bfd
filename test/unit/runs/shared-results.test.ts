/** Runs after one another: what an earlier one computed is not computed again, and everything written is the same. */
import { beforeAll, beforeEach, expect, it } from 'vitest';
import type { ChosenEngine } from '../../../main/engine/choice.ts';
import { Jobs } from '../../../main/host/jobs.ts';
import { readJsonLines } from '../../../main/lib/durable.ts';
import { Adaptations } from '../../../main/runs/adaptations.ts';
import { timingSchema } from '../../../main/runs/events.ts';
import { ExpertResults } from '../../../main/runs/expert-results.ts';
import { runJob, type JobOptions } from '../../../main/runs/job.ts';
import type { Recipe } from '../../../main/runs/recipe.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject, type TinyProject } from '../../support/tiny-project.ts';
import { briefConfig, briefMethods, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

const methods = [
  ...briefMethods,
  {
    id: 'surgery',
    method: 'surgery',
    parameters: { of: 'adamerging_task', steps: 2, learning_rate: 0.05 },
  },
];
const adapting = ['adamerging_task', 'wemoe_2', 'surgery'];

let plain: ChosenEngine;
let project: TinyProject;
/** Names of the programs that were compiled. */
let compiled: string[] = [];
let engine: ChosenEngine;

beforeAll(async () => {
  plain = await tinyEngine();
  engine = {
    ...plain,
    compile: (program, constants) => {
      compiled.push(program.name);
      return plain.compile(program, constants);
    },
  };
  project = await createTinyProject(await temporaryFolder(), methods, briefConfig);
});

beforeEach(() => {
  compiled = [];
});

async function runOnce(changes: Partial<Recipe>, shared: Partial<JobOptions>) {
  compiled = [];
  const run = await project.createRun(changes);
  const adapted = new Set<string>();
  await runJob(run, {
    engine,
    ...shared,
    onProgress: ({ id }, { phase }) => {
      if (phase === 'adapting') adapted.add(id);
    },
  });
  return { run, adapted: [...adapted], compiled, files: await comparableFiles(run) };
}

it('a row that differs in evaluation alone does not adapt again, and ends with the same bytes', async () => {
  const adaptations = new Adaptations();
  const mixed = { evaluation: { ...project.recipe.evaluation, mixed: true } };
  const first = await runOnce({}, { adaptations });
  const second = await runOnce(mixed, { adaptations });
  const alone = await runOnce(mixed, {});
  expect(first.adapted).toEqual(adapting);
  expect(second.adapted).toEqual([]);
  expect(alone.adapted).toEqual(adapting);
  expect(second.files).toEqual(alone.files);
  expect(second.files['events.jsonl']).toContain('adaptation.step');
  expect(second.compiled.length).toBeLessThan(alone.compiled.length);
});

it.each<[string, Partial<Recipe>]>([
  ['seed', { seed: 4 }],
  ['batch', { adaptation: { batch: 2, data: 'test' } }],
  ['corruption', { corruption: { kind: 'contrast', severity: 5, constants: 'by-size' } }],
  ['tasks', { unseen: ['shapes'] }],
])('another %s adapts again', async (_what, changes) => {
  const adaptations = new Adaptations();
  const one = { methods: project.recipe.methods.slice(1, 2) };
  await runOnce(one, { adaptations });
  const { adapted } = await runOnce({ ...one, ...changes }, { adaptations });
  expect(adapted).toEqual(['adamerging_task']);
});

it('what was not computed is not timed', async () => {
  const shared = { adaptations: new Adaptations(), experts: new ExpertResults() };
  const timed = async () => {
    const { run } = await runOnce({}, shared);
    const lines = (await readJsonLines(run.timingsPath)).map((line) => timingSchema.parse(line));
    return lines.flatMap(({ method, seconds }) => (seconds === undefined ? [] : method));
  };
  expect(await timed()).toEqual(methods.map(({ id }) => id));
  expect(await timed()).toEqual(['task_arithmetic']);
});

it('runs that a window starts one after another measure the experts once', async () => {
  const jobs = new Jobs((line) => expect.fail(line));
  const recipe = { ...project.recipe, methods: project.recipe.methods.slice(0, 1) };
  const start = async () => {
    compiled = [];
    const run = await project.createRun(recipe);
    const job = await jobs.start(() =>
      Promise.resolve({ run, recipe, engine, expected: new Map() }),
    );
    await job.over;
    expect(job.failure).toBeUndefined();
    return { compiled, files: await comparableFiles(run) };
  };
  const first = await start();
  const second = await start();
  expect(first.compiled).toHaveLength(2);
  expect(second.compiled).toEqual([]);
  expect(second.files).toEqual(first.files);
});
