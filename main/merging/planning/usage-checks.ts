/** Settings that say something to no tensor, or say different things where a method needs one. */
import type { Method } from '../method.ts';
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

/** A method that looks at all tensors first needs one value for all of them. */
export function checkPasses(
  recipe: MergeRecipe,
  method: Method,
  { settings }: Pick<MergePlan, 'settings'>,
): Finding[] {
  const passes = method.passes?.(settings.parameters, settings.settings) ?? [];
  if (passes.length === 0) return [];
  const varying = settingsOf(recipe).find(({ setting }) => isVarying(setting));
  if (varying === undefined) return [];
  const what = `"${varying.key}" differs between tensors, but "${method.id}" with these parameters looks at all tensors together; give one value, or choose parameters that treat each tensor on its own`;
  return [finding('varying_pass', what)];
}
