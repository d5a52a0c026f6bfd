/** Checks the parameter settings of a merge against the method's record, each where it stands. */
import { closest } from '../../lib/closest.ts';
import { AppError } from '../../lib/errors.ts';
import type { KeyPath } from '../../lib/recipe-yaml.ts';
import { resolveParameters, type ParameterTable } from '../../lib/parameters.ts';
import { methods } from '../index.ts';
import type { Method } from '../method.ts';
import type { RecipeSlice } from './recipe.ts';
import { valuesOf, type ParameterSettings } from './values.ts';

/** Says where a key of the recipe stands. */
export type Place = (path: KeyPath) => string;

/** The method of this id; throws `recipe.unknown_method`. */
export function methodOf(id: string, where: string): Method {
  const known = methods.map((method) => method.id);
  const found = methods.find((method) => method.id === id);
  if (found !== undefined) return found;
  const meant = closest(id, known);
  throw new AppError('recipe.unknown_method', {
    what: `there is no merging method "${id}"`,
    where,
    hint: `${meant === undefined ? '' : `did you mean "${meant}"? `}known methods: ${known.join(', ')}`,
  });
}

interface WithSettings {
  readonly parameters: ParameterSettings;
  readonly slices: readonly RecipeSlice[];
}

/**
 * Throws `recipe.unknown_parameter` and `recipe.invalid_parameter` for settings the method does not
 * take: unknown names, values out of range at any point, and values for one expert of what is one
 * value for all.
 */
export function checkSettings(method: Method, recipe: WithSettings, place: Place): void {
  const all = { ...method.parameters, ...method.perExpert };
  checkTable(method, all, recipe.parameters, ['parameters'], place);
  for (const [s, slice] of recipe.slices.entries()) {
    checkTable(method, all, slice.parameters, ['slices', s, 'parameters'], place);
    for (const [e, expert] of slice.experts.entries()) {
      const path = ['slices', s, 'experts', e, 'parameters'];
      refuseShared(method, expert.parameters, path, place);
      checkTable(method, method.perExpert, expert.parameters, path, place);
    }
  }
}

function checkTable(
  method: Method,
  parameters: ParameterTable,
  settings: ParameterSettings,
  path: KeyPath,
  place: Place,
): void {
  for (const [key, setting] of Object.entries(settings)) {
    for (const value of valuesOf(setting)) {
      resolveParameters({ id: method.id, parameters }, { [key]: value }, place([...path, key]));
    }
  }
}

function refuseShared(
  method: Method,
  settings: ParameterSettings,
  path: KeyPath,
  place: Place,
): void {
  const shared = Object.keys(settings).find((key) => key in method.parameters);
  if (shared === undefined) return;
  throw new AppError('recipe.invalid_parameter', {
    what: `parameter "${shared}" of method "${method.id}" is one value for all experts`,
    where: place([...path, shared]),
    hint: 'move it to the parameters of the whole merge (or of the slice)',
  });
}
