/** An experiment of two runs, its table, and that nothing is run twice. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readRecipe } from '../../main/runs/recipe.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { contents, errorLine, mergewright, printed, resultOf, type Outcome } from './program.ts';
import { writeProject } from './project.ts';

const experiment = {
  schema: 1,
  name: 'tried',
  title: 'Tried',
  about: 'Two runs that differ in what is measured together.',
  methods: ['individual', { id: 'task_arithmetic', vary: { lambda: [0.2, 0.4] } }],
  runs: [{ name: 'single' }, { name: 'mixed', set: { 'evaluation.mixed': true } }],
};

let folder: string;
let words: string[];
let ran: Outcome;

beforeAll(async () => {
  folder = await temporaryFolder();
  const { base, tasks, engine } = await readRecipe(await writeProject(folder));
  const models = {
    schema: 1,
    title: 'tiny models',
    base,
    tasks,
    engine,
    methods: [{ id: 'individual' }, { id: 'task_arithmetic', parameters: { normalize: true } }],
  };
  await writeFile(join(folder, 'models.json'), JSON.stringify(models));
  await writeFile(join(folder, 'tried.json'), JSON.stringify(experiment));
  words = [
    join(folder, 'tried.json'),
    '--models',
    join(folder, 'models.json'),
    '--project',
    join(folder, 'project'),
  ];
  ran = await mergewright('experiment', ...words);
});

describe('experiment', () => {
  it('makes a run of each recipe, and a table of all', async () => {
    const out = printed(ran);
    expect(out).toContain('single:');
    expect(out).toContain('Task arithmetic (task_arithmetic_0.4)');
    const runs = await readdir(join(folder, 'project', 'runs'));
    expect(runs.sort()).toEqual(['tried-mixed-0001', 'tried-single-0001']);
    const recipe = await readRecipe(join(folder, 'project/runs/tried-mixed-0001/recipe.yaml'));
    expect(recipe.evaluation.mixed).toBe(true);
    expect(recipe.methods[2]).toMatchObject({ parameters: { lambda: 0.4, normalize: true } });
  });

  it('measures experts once for all runs', () => {
    expect(ran.err.match(/^individual +evaluating/gm)).toHaveLength(1);
    expect(ran.err.match(/^task_arithmetic_0\.2 +evaluating/gm)).toHaveLength(2);
  });

  it('does not run again what is done', async () => {
    const before = await contents(join(folder, 'project'));
    const { err } = await mergewright('experiment', ...words);
    expect(err).toContain('[2/2] tried-mixed: done before');
    expect(err).not.toContain('evaluating');
    expect(await contents(join(folder, 'project'))).toEqual(before);
  });

  it('says what it would do, and what it does not know', async () => {
    const plan = await resultOf<{ name: string; status: string }[]>(
      'experiment',
      ...words,
      '--plan',
      '--only',
      'mixed',
    );
    expect(plan).toMatchObject([{ name: 'tried-mixed', status: 'done' }]);
    const missing = ['main', '--models', 'clip-vit-base-patch32-8', '--data', folder];
    const line = errorLine(await mergewright('experiment', ...missing), 'experiment.incomplete');
    expect(line).toContain(join(folder, 'sun397'));
  });
});

describe('table', () => {
  it('is made of runs, or of all runs of a project', async () => {
    const project = join(folder, 'project');
    const named = ['--experiment', join(folder, 'tried.json')];
    const csv = printed(await mergewright('table', project, ...named, '--format', 'csv'));
    const lines = csv.trim().split('\r\n');
    expect(lines).toHaveLength(1 + 2 * 3);
    expect(lines[1]).toMatch(/^single,Individual models,/);
    const latex = printed(
      await mergewright('table', join(project, 'runs/tried-single-0001'), '--format', 'latex'),
    );
    expect(latex).toContain('\\bottomrule');
    errorLine(await mergewright('table', folder), 'run.not_found');
  });
});
