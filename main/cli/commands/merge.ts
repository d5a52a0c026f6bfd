import { createEngine } from '../../engine/registry.ts';
import { AppError } from '../../lib/errors.ts';
import { catalogueEntry, methodCatalogue } from '../../runs/catalogue.ts';
import { exportRun } from '../../runs/export-run.ts';
import { loadInputs } from '../../runs/inputs.ts';
import { mergeOnly } from '../../runs/merge-only.ts';
import {
  readRecipe,
  resolveRecipePaths,
  type Recipe,
  type RecipeMethod,
} from '../../runs/recipe.ts';
import { recipeFolder } from '../../runs/run-folder.ts';
import { defineCommand } from '../command.ts';

export const merge = defineCommand({
  name: 'merge',
  summary: 'Merge checkpoints with a static method, without evaluating',
  description:
    'Takes simple_average, task_arithmetic or ties of the recipe and writes an ordinary encoder. Methods that learn need run.',
  example: 'mergewright merge recipe.yaml --method ties --out merged',
  positionals: [{ name: 'RECIPE', summary: 'a recipe.yaml' }],
  options: {
    method: { kind: 'text', value: 'ID', summary: 'method of the recipe, where it has several' },
    out: { kind: 'text', value: 'DIR', required: true, summary: 'folder to make' },
  },
  async run({ method, out }, [path = ''], { signal, progress }) {
    const recipe = await readRecipe(path, methodCatalogue);
    const entry = chooseStatic(recipe, method, path);
    const folder = await recipeFolder(path);
    const resolved = resolveRecipePaths(recipe, folder);
    progress.start('Loading', 1, 'recipes');
    const inputs = await loadInputs(resolved, undefined, signal);
    try {
      const engine = await createEngine('onnx');
      progress.start(`Merging with ${entry.id}`, 1, 'models');
      const finished = mergeOnly(entry, { recipe, recipeFolder: folder, inputs, engine });
      const { results } = await exportRun(finished, {
        method: entry.id,
        formats: ['safetensors'],
        mode: 'static',
        target: out,
        signal,
      });
      progress.update(1);
      const [written] = results;
      if (written === undefined) throw new Error('nothing was written');
      return {
        json: { method: entry.id, ...written },
        text: `Merged ${String(recipe.tasks.length)} experts with ${entry.id} into ${written.path}`,
      };
    } finally {
      await inputs.close();
    }
  },
});

function chooseStatic(recipe: Recipe, wanted: string | undefined, where: string): RecipeMethod {
  const candidates = recipe.methods.filter(
    (entry) => catalogueEntry(entry.method).kind === 'static',
  );
  const ids = candidates.map(({ id }) => id).join(', ');
  const [only, ...others] = candidates.filter(({ id }) => wanted === undefined || id === wanted);
  if (only !== undefined && others.length === 0) return only;
  throw new AppError('recipe.unknown_method', {
    what:
      wanted === undefined
        ? `the recipe has ${String(candidates.length)} static methods`
        : `the recipe has no static method "${wanted}"`,
    where,
    hint:
      ids === ''
        ? 'use "mergewright run" for methods that learn'
        : `add --method with one of: ${ids}`,
  });
}
