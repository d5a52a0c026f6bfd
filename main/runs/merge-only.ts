import type { FinishedRun } from './export-run.ts';
import type { RecipeMethod } from './recipe.ts';
import { recipeHash } from './recipe.ts';

/** A run in which `entry`, a static method, was merged but nothing was measured. */
export function mergeOnly(
  entry: RecipeMethod,
  run: Omit<FinishedRun, 'results' | 'report'>,
): FinishedRun {
  const report = {
    id: entry.id,
    title: entry.id,
    average: 0,
    normalizedAverage: null,
    accuracy: {},
    method: entry.method,
  };
  return {
    ...run,
    results: [{ report, values: new Map(), routing: new Map(), predictions: new Map() }],
    report: {
      schema: 1,
      recipe: recipeHash(run.recipe),
      seed: run.recipe.seed,
      engine: { ...run.engine.description },
      adaptationData: 'none',
      tasks: run.recipe.tasks.map(({ id }) => id),
      taskDetails: [],
      methods: [],
      run: '.',
      exported: null,
    },
  };
}
