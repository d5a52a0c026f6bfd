/** Runs that are stopped in the middle, in order or by force, and then continued: the same bytes. */
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  errorLine,
  mergewright,
  printed,
  resultOf,
  startMergewright,
  type Started,
} from './program.ts';
import { comparable, onlyRun, writeProject } from './project.ts';

/** Steps that take longer together than it takes to notice the first ones and to stop. */
const steps = 400;
const methods = [
  { id: 'individual' },
  { id: 'ties' },
  {
    id: 'wemoe_1',
    method: 'wemoe',
    parameters: { router_layers: 1, steps, learning_rate: 0.01, schedule: 'cosine' },
  },
  { id: 'task_arithmetic' },
];

let folder: string;
let recipe: string;
let uninterrupted: Record<string, string>;

beforeAll(async () => {
  folder = await temporaryFolder();
  recipe = await writeProject(folder, methods, {
    export: { method: 'wemoe_1', formats: ['onnx', 'safetensors'], mode: 'dynamic' },
  });
  const project = join(folder, 'uninterrupted');
  printed(await mergewright('run', recipe, '--project', project));
  uninterrupted = await comparable(await onlyRun(project));
});

/** Starts a run and waits until it has adapted for `count` steps. */
async function runUntilStep(
  name: string,
  count: number,
): Promise<Started & { readonly project: string }> {
  const project = join(folder, name);
  const started = startMergewright(['run', recipe, '--project', project]);
  while ((await stepsOf(project)) < count) {
    if (started.process.exitCode !== null) throw new Error((await started.end).err);
    await delay(5);
  }
  return { ...started, project };
}

async function stepsOf(project: string): Promise<number> {
  const runs = join(project, 'runs');
  const [run = ''] = existsSync(runs) ? await readdir(runs) : [];
  const path = join(runs, run, 'events.jsonl');
  if (!existsSync(path)) return 0;
  return (await readFile(path, 'utf8')).split('"adaptation.step"').length - 1;
}

async function statusOf(run: string): Promise<string> {
  return (await resultOf<{ status: string }>('inspect', run)).status;
}

/** Names of files that exist only while something is written. */
async function unfinished(parent: string): Promise<string[]> {
  // Folders may vanish while they are listed.
  const names = await readdir(parent, { recursive: true }).catch(() => []);
  return names.filter((name) => /\.(part|old)$|lock\.json/.test(name));
}

describe('Ctrl-C', () => {
  let started: Awaited<ReturnType<typeof runUntilStep>>;
  let run: string;

  beforeAll(async () => {
    started = await runUntilStep('stopped', 20);
    started.process.kill('SIGINT');
    await started.end;
    run = await onlyRun(started.project);
  });

  it('exits 130 and says how to go on', async () => {
    const { code, out, err } = await started.end;
    expect([code, out]).toEqual([130, '']);
    expect(err).toContain('press Ctrl-C again to stop at once');
    expect(err).toContain(`Go on with: mergewright run ${run}\n`);
    expect(err).toMatch(/\ncancelled\n$/);
    expect(err).not.toContain('error[');
  });

  it('leaves a run that is cancelled, whole files only, and no report', async () => {
    expect(await statusOf(run)).toBe('cancelled');
    expect(await unfinished(started.project)).toEqual([]);
    const names = Object.keys(await comparable(run));
    expect(names).toContain('state.safetensors');
    expect(names).not.toContain('report.json');
    expect(printed(await mergewright('inspect', run))).toMatch(/wemoe_1 \(not finished\)/);
  });

  it('keeps an unfinished run from being exported', async () => {
    const out = join(folder, 'never');
    const words = ['--format', 'onnx', '--out', out];
    const line = errorLine(await mergewright('export', run, ...words), 'run.unfinished');
    expect(line).toContain(`mergewright run ${run}`);
    expect(existsSync(out)).toBe(false);
  });

  it('can be followed by the rest: the same bytes as without a stop', async () => {
    expect(printed(await mergewright('run', run))).toContain(run);
    expect(await comparable(run)).toEqual(uninterrupted);
    expect(await statusOf(run)).toBe('done');
  });
});

it('a second signal stops at once, and the run can still go on', async () => {
  const { process, end, project } = await runUntilStep('impatient', 5);
  process.kill('SIGINT');
  process.kill('SIGINT');
  expect((await end).code).toBe(130);
  const run = await onlyRun(project);
  printed(await mergewright('run', run));
  expect(await comparable(run)).toEqual(uninterrupted);
});

it('SIGTERM stops in order', async () => {
  const { process, end, project } = await runUntilStep('terminated', 5);
  process.kill('SIGTERM');
  const { code, err } = await end;
  expect(code).toBe(130);
  expect(err).toContain(`Go on with: mergewright run ${await onlyRun(project)}\n`);
});

describe.concurrent('kill -9', () => {
  it.each([1, 200])('after step %d: going on gives the same bytes', async (step) => {
    const { process, end, project } = await runUntilStep(`killed-${step}`, step);
    process.kill('SIGKILL');
    expect((await end).code).toBe(null);
    const run = await onlyRun(project);
    expect(await statusOf(run)).toBe('interrupted');
    printed(await mergewright('run', run));
    expect(await comparable(run)).toEqual(uninterrupted);
    expect(await unfinished(project)).toEqual([]);
  });

  it('within the export: going on clears what was left and gives the same bytes', async () => {
    const project = join(folder, 'killed-exporting');
    const { process, end } = startMergewright(['run', recipe, '--project', project]);
    const exporting = async (): Promise<boolean> =>
      existsSync(project) &&
      (await unfinished(project)).some((name) => /exported.*\.part$/.test(name));
    while (!(await exporting())) {
      if (process.exitCode !== null) throw new Error((await end).err);
      await delay(5);
    }
    process.kill('SIGKILL');
    await end;
    const run = await onlyRun(project);
    printed(await mergewright('run', run));
    expect(await comparable(run)).toEqual(uninterrupted);
  });

  it('again and again, until it is done', async () => {
    const project = join(folder, 'again');
    let kills = 0;
    const first = startMergewright(['run', recipe, '--project', project]);
    for (let running = first; ; kills++) {
      // Longer each time, so that it ends however slow the machine is.
      const done = await Promise.race([running.end, delay(600 + 600 * kills)]);
      if (done !== undefined) {
        expect(done.code, done.err).toBe(0);
        break;
      }
      running.process.kill('SIGKILL');
      await running.end;
      const created = existsSync(join(project, 'runs')) ? await readdir(join(project, 'runs')) : [];
      const run = created.find((name) => !name.startsWith('.'));
      running =
        run === undefined
          ? startMergewright(['run', recipe, '--project', project])
          : startMergewright(['run', join(project, 'runs', run)]);
    }
    expect(kills).toBeGreaterThan(0);
    expect(await comparable(await onlyRun(project))).toEqual(uninterrupted);
    expect(await unfinished(project)).toEqual([]);
  });
});

/** Makes the log of a run say that it began on another engine. */
async function pretendEngine(run: string): Promise<void> {
  const log = join(run, 'events.jsonl');
  const events = await readFile(log, 'utf8');
  await writeFile(log, events.replace(/"engine":"[^"]*"/, '"engine":"ONNX Runtime 0.1"'));
}

it('a run never goes on with another engine', async () => {
  const { process, end, project } = await runUntilStep('moved', 1);
  process.kill('SIGINT');
  await end;
  const run = await onlyRun(project);
  await pretendEngine(run);
  errorLine(await mergewright('run', run), 'run.changed');
  expect(await statusOf(run)).toBe('cancelled');
});

it('a run whose recipe leaves the engine open goes on with the one it began on', async () => {
  const brief = await writeProject(await temporaryFolder(), methods.slice(0, 2), {
    engine: undefined,
  });
  const project = join(folder, 'open');
  printed(await mergewright('run', brief, '--project', project));
  const run = await onlyRun(project);
  const before = await comparable(run);
  const { code, err } = await mergewright('run', run);
  expect(code, err).toBe(0);
  expect(err).toMatch(/^Engine: .* \(the run began on it\)$/m);
  expect(await comparable(run)).toEqual(before);
});

it('two processes never work on one run', async () => {
  const { process, end, project } = await runUntilStep('busy', 1);
  const run = await onlyRun(project);
  errorLine(await mergewright('run', run), 'run.in_use');
  process.kill('SIGKILL');
  await end;
});
