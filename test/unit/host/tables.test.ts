import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { formatRecipe, readRecipe, resolveRecipePaths } from '../../../main/runs/recipe.ts';
import { createRun } from '../../../main/runs/run-folder.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { draftWith, expectFailed, hostWithProject, startHost, watch } from './support.ts';

describe('tables', () => {
  it('are made of finished runs of the project', async () => {
    const { client, folder } = await hostWithProject([{ id: 'individual' }, { id: 'ties' }]);
    const { run } = await client.merge.start(await draftWith(client));
    await watch(client, run);
    const { text, experiment } = await client.tables.make({ runs: [run], format: 'csv' });
    const report = await client.runs.report({ run });
    const lines = text.split('\r\n');
    expect(lines[0]).toBe('section,method,digits,shapes,average,normalized,source');
    const ties = report.methods[1]!;
    expect(lines[2]).toBe(
      [
        '',
        ties.title,
        ...Object.values(ties.accuracy),
        ties.average,
        ties.normalizedAverage,
        '',
      ].join(','),
    );
    expect(experiment).toBeNull();
    const named = await client.tables.make({ runs: [run], experiment: 'main', format: 'markdown' });
    expect(named.experiment).toBe('main');
    expect(named.text).toContain('average, CLIP ViT-B/32');

    const recipe = await readRecipe(join(folder, 'recipe.yaml'));
    const { id } = await createRun(folder, recipe, folder);
    await expectFailed(client.tables.make({ runs: [run, id], format: 'text' }), 'run.unfinished');
    await expectFailed(client.tables.make({ runs: ['none'], format: 'text' }), 'run.not_found');
    await expectFailed(
      client.tables.make({ runs: [run], experiment: 'none', format: 'text' }),
      'experiment.unknown',
    );
  });
});

describe('experiments', () => {
  it('are listed, and need the tasks of bundled models', async () => {
    const { client } = await hostWithProject([{ id: 'ties' }]);
    const list = await client.experiments.list();
    expect(list.find(({ name }) => name === 'unseen')).toMatchObject({ runs: 2 });
    await expectFailed(
      client.experiments.expand({ experiment: 'main' }),
      'experiment.unknown_models',
    );
  });

  it('become recipes of the open project', async () => {
    const folder = await temporaryFolder();
    const demo = resolveRecipePaths(await readRecipe('assets/demo/recipe.yaml'), 'assets/demo');
    await writeFile(join(folder, 'recipe.yaml'), formatRecipe(demo));
    const { client, handle } = startHost();
    await client.project.open({ handle: handle(folder) });
    const { runs } = await client.experiments.expand({ experiment: 'unseen' });
    expect(runs.map(({ name, finished }) => [name, finished])).toEqual([
      ['unseen-1', null],
      ['unseen-2', null],
    ]);
    expect(runs[0]!.tasks).toHaveLength(8);
    expect(runs[0]!.recipe).toMatch(/^unseen:\n {2}- mnist\n {2}- planets$/m);
  });
});
