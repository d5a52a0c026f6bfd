/** A merge of whole models described on a command line, as a recipe. */
import { AppError } from '../../lib/errors.ts';
import { checkSettings, methodOf } from './check-settings.ts';
import type { MergeRecipe, StoredType } from './recipe.ts';
import type { ParameterSetting, PlainValue } from './values.ts';

export interface MergeFlags {
  readonly method: string;
  readonly base: string | undefined;
  readonly experts: readonly string[];
  /** `name=value`; `name=a,b` gives each expert its own, `name=[a,b]` is a gradient over depth. */
  readonly set: readonly string[];
  readonly dtype: StoredType | undefined;
  readonly seed: number | undefined;
}

/** Throws `recipe.unknown_method`, `recipe.unknown_parameter`, `recipe.invalid_parameter`. */
export function recipeFromFlags(flags: MergeFlags): MergeRecipe {
  const { base, experts } = flags;
  const method = methodOf(flags.method, '--method');
  const own = experts.map((): Record<string, ParameterSetting> => ({}));
  const shared: Record<string, ParameterSetting> = {};
  for (const text of flags.set) {
    const { key, values, gradient } = readSetting(text);
    const [only] = values;
    if (gradient) shared[key] = values;
    else if (values.length === 1 && only !== undefined) shared[key] = only;
    else if (!(key in method.perExpert)) shared[key] = values;
    else giveEach(own, key, values, method.id);
  }
  const recipe: MergeRecipe = {
    method: method.id,
    seed: flags.seed ?? 0,
    dtype: flags.dtype ?? 'keep',
    base,
    slices: [
      {
        base: base === undefined || method.inputs.base === 'unused' ? undefined : { model: base },
        experts: experts.map((model, index) => ({ model, parameters: own[index] ?? {} })),
        parameters: {},
      },
    ],
    parameters: shared,
    fixes: [],
  };
  checkSettings(method, recipe, (path) => `--set ${String(path.at(-1))}`);
  return recipe;
}

function readSetting(text: string): {
  key: string;
  values: readonly PlainValue[];
  gradient: boolean;
} {
  const at = text.indexOf('=');
  const value = text.slice(at + 1).trim();
  if (at < 1 || value === '') {
    throw new AppError('recipe.invalid_parameter', {
      what: `"${text}" is no setting`,
      where: '--set',
      hint: 'write NAME=VALUE, for example density=0.3 or weight=0.5,0.3',
    });
  }
  const gradient = /^\[.*\]$/.test(value);
  const list = gradient ? value.slice(1, -1) : value;
  return { key: text.slice(0, at).trim(), values: list.split(',').map(plainValue), gradient };
}

function plainValue(text: string): PlainValue {
  const word = text.trim();
  if (word === 'true' || word === 'false') return word === 'true';
  const number = Number(word);
  return word === '' || Number.isNaN(number) ? word : number;
}

function giveEach(
  own: readonly Record<string, ParameterSetting>[],
  key: string,
  values: readonly PlainValue[],
  method: string,
): void {
  if (values.length !== own.length) {
    throw new AppError('recipe.invalid_parameter', {
      what: `parameter "${key}" of method "${method}" has ${values.length} values for ${own.length} experts`,
      where: `--set ${key}`,
      hint: `give one value for each expert, a single one for all, or a gradient over depth as ${key}=[…]`,
    });
  }
  for (const [index, settings] of own.entries()) {
    const value = values[index];
    if (value !== undefined) settings[key] = value;
  }
}
