/** The Routing view of a run on corrupted images shows what the model saw. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadInputs } from '../../../main/runs/inputs.ts';
import { resolveRecipePaths } from '../../../main/runs/recipe.ts';
import { openRun, readRunRecipe } from '../../../main/runs/run-folder.ts';
import { draftWith, hostWithProject, watch } from './support.ts';

it('names the corruption of every task, and tiles with it are the images of the run', async () => {
  const parameters = { steps: 1, router_layers: 0 };
  const { client, folder } = await hostWithProject([{ id: 'wemoe', parameters }]);
  const choice = { kind: 'impulse_noise', severity: 4, constants: 'by-size' } as const;
  const corruption = { ...choice, tasks: ['digits'] };
  const draft = await draftWith(client, { corruption, seed: 5 });
  const { run } = await client.merge.start(draft);
  await watch(client, run);

  const { corruptions } = await client.routing.get({ run, method: 'wemoe' });
  expect(corruptions).toEqual({ digits: { ...choice, seed: 5 } });

  const written = await readRunRecipe(await openRun(join(folder, 'runs', run)));
  const inputs = await loadInputs(resolveRecipePaths(written.recipe, written.folder));
  const { store } = inputs.tasks[0]!.set.images;
  if (!('pixels' in store)) throw new Error('the images of the run are not in memory');
  const bytes = store.size ** 2 * 3;
  const images = [6, 1];
  const seen = images.flatMap((image) => [
    ...store.pixels.subarray(image * bytes, (image + 1) * bytes),
  ]);
  await inputs.close();
  const asked = { task: 'digits', images };
  const pixelsOf = async (given: Parameters<typeof client.project.tiles>[0]) => [
    ...Buffer.from((await client.project.tiles(given)).pixels, 'base64'),
  ];
  expect(await pixelsOf({ ...asked, corruption: corruptions['digits'] })).toEqual(seen);
  expect(await pixelsOf(asked)).not.toEqual(seen);
});
