/** Recipes of small models that fit, and what pre-flight makes of them. */
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import type { MergePlan } from '../../../../main/merging/plan.ts';
import { recipeFromFlags } from '../../../../main/merging/planning/from-flags.ts';
import {
  prepareMerge,
  type PreparedMerge,
  type PrepareOptions,
} from '../../../../main/merging/planning/prepare.ts';
import type { MergeRecipe } from '../../../../main/merging/planning/recipe.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { llama, llamaConfig, storeModel, tokenizerOf, type Shapes } from './models.ts';

export let folder = '';
export let base = '';
export let fine = '';

beforeAll(async () => {
  folder = await temporaryFolder();
  base = await storeModel(at('base'), llama(), llamaConfig(), tokenizerOf('a', 'b'));
  fine = await storeModel(at('fine'), llama(), llamaConfig(), tokenizerOf('a', 'b'));
});

export function at(name: string): string {
  return join(folder, name);
}

export const limits: PrepareOptions = {
  out: undefined,
  overwrite: false,
  threads: 1,
  ceilingBytes: 2 ** 30,
};

export async function prepare(
  recipe: MergeRecipe,
  options: Partial<PrepareOptions> = {},
): Promise<PreparedMerge> {
  const prepared = await prepareMerge(recipe, { ...limits, ...options });
  await prepared.close();
  // What this machine has measured is no part of the tests.
  return { ...prepared, findings: prepared.findings.filter(({ id }) => id !== 'time') };
}

/** A merge by TIES of whole models. */
export function ties(...experts: readonly string[]): MergeRecipe {
  const flags = { base, experts, set: [], dtype: undefined, seed: undefined };
  return recipeFromFlags({ ...flags, method: 'ties' });
}

export function linear(...experts: readonly string[]): MergeRecipe {
  const flags = { base: undefined, experts, set: [], dtype: undefined, seed: undefined };
  return recipeFromFlags({ ...flags, method: 'linear' });
}

export async function planned(recipe: MergeRecipe): Promise<MergePlan> {
  const { plan, findings } = await prepare(recipe);
  if (plan === undefined) throw new Error(JSON.stringify(findings, null, 2));
  return plan;
}

export function without(shapes: Shapes, ...names: readonly string[]): Shapes {
  return Object.fromEntries(Object.entries(shapes).filter(([name]) => !names.includes(name)));
}

/** Those layers of one model, one range after the other. */
export function layersOf(...ranges: readonly (readonly [number, number])[]): MergeRecipe {
  return {
    ...linear(fine),
    slices: ranges.map((layers) => ({
      experts: [{ model: fine, layers, parameters: {} }],
      parameters: {},
    })),
  };
}
