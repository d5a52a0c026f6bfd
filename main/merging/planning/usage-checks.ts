/** Settings that say something to no tensor, or say different things where a method needs one. */
import type { MergePlan } from '../plan.ts';
import type { Alignment } from './align.ts';
import { finding, type Finding } from './findings.ts';
import type { MergeRecipe } from './recipe.ts';
import { isConditions, isVarying, type ParameterSetting } from './values.ts';

interface Named {
  readonly key: string;
  readonly setting: ParameterSetting;
}

function settingsOf({ parameters, slices }: MergeRecipe): readonly Named[] {
  const tables = [
    parameters,
    ...slices.flatMap((slice) => [
      slice.parameters,
      ...slice.experts.map((expert) => expert.parameters),
    ]),
  ];
  return tables.flatMap((table) =>
    Object.entries(table).map(([key, setting]) => ({ key, setting })),
  );
}

export function checkUse(recipe: MergeRecipe, alignment: Alignment): Finding[] {
  const found: Finding[] = [];
  const all = settingsOf(recipe);
  const names = alignment.tensors.map(({ name }) => name);
  const filters = all.flatMap(({ setting }) =>
    isConditions(setting) ? setting.map(({ filter }) => filter) : [],
  );
  for (const filter of new Set(filters)) {
    if (filter === undefined || filter === '*') continue;
    if (names.some((name) => name.includes(filter))) continue;
    const like = names.slice(0, 3).join(', ');
    const what = `no tensor has "${filter}" in its name; the names are like ${like}`;
    found.push(finding('filter_unused', what));
  }
  const gradient = all.find(({ setting }) => hasGradient(setting));
  if (gradient !== undefined && alignment.layout.stacks.length === 0) {
    const what = `"${gradient.key}" changes over the layers, but the names of the tensors show none; its first value is used everywhere`;
    found.push(finding('gradient_without_layers', what));
  }
  return found;
}

function hasGradient(setting: ParameterSetting): boolean {
  return isConditions(setting)
    ? setting.some(({ value }) => typeof value === 'object')
    : typeof setting === 'object';
}

/** Shares of a model: over all tensors they mean one thing only where they are the same everywhere. */
const shares: readonly string[] = ['density', 'gamma', 'epsilon', 'select_topk'];

/**
 * A share of the whole model cannot differ between its tensors, nor one that is fixed when a method
 * begins its passes: what is one value for all experts.
 */
export function checkPasses(recipe: MergeRecipe, { settings, method }: MergePlan): Finding[] {
  const ofModel = Object.values(settings.parameters).includes('model');
  const varying = settingsOf(recipe).find(
    ({ key, setting }) =>
      shares.includes(key) && isVarying(setting) && (ofModel || key in method.parameters),
  );
  if (varying === undefined) return [];
  const what = `"${varying.key}" differs between tensors, but "${recipe.method}" takes one share for all of them; give one value, or have the share taken of each tensor where the method can`;
  return [finding('varying_pass', what)];
}
