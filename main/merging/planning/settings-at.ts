/** The settings of the method for one tensor: the most specific place that says something wins. */
import type { GivenParameters } from '../../lib/parameters.ts';
import type { Method } from '../method.ts';
import { resolveSettings, type MethodSettings } from '../settings.ts';
import type { AlignedTensor } from './align.ts';
import type { MergeRecipe } from './recipe.ts';
import { valueAt, type ParameterSettings, type PlainValue } from './values.ts';

/** Evaluates the settings of a recipe; equal settings are one object. */
export class SettingsAt {
  readonly #method: Method;
  readonly #recipe: MergeRecipe;
  readonly #known = new Map<string, MethodSettings>();

  constructor(method: Method, recipe: MergeRecipe) {
    this.#method = method;
    this.#recipe = recipe;
  }

  /** Throws `recipe.invalid_parameter` for a value between the given ones that is none. */
  of({ name, depth, slice, experts }: AlignedTensor): MethodSettings {
    const shared = [slice.parameters, this.#recipe.parameters];
    const given: Record<string, unknown> = {};
    for (const key of Object.keys(this.#method.parameters)) {
      given[key] = firstValue(key, shared, { name, depth });
    }
    // A list with a gap would be no list: experts without a value take the default one by one.
    for (const [key, { default: otherwise }] of Object.entries(this.#method.perExpert)) {
      given[key] = experts.map(({ tensor }, index) => {
        const own = slice.experts[index]?.parameters ?? {};
        return firstValue(key, [own, ...shared], { name: tensor, depth }) ?? otherwise;
      });
    }
    return this.#resolve(given, experts.length, name);
  }

  #resolve(given: GivenParameters, expertCount: number, name: string): MethodSettings {
    const key = JSON.stringify(given);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const settings = resolveSettings(this.#method, given, expertCount, `tensor "${name}"`);
    this.#known.set(key, settings);
    return settings;
  }
}

function firstValue(
  key: string,
  places: readonly ParameterSettings[],
  at: { readonly name: string; readonly depth: number },
): PlainValue | undefined {
  for (const settings of places) {
    const setting = settings[key];
    const value = setting === undefined ? undefined : valueAt(setting, at);
    if (value !== undefined) return value;
  }
  return undefined;
}
