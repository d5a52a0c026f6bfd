/**
 * mergekit's YAML as a recipe: the same models, values and rules, so that a file made for mergekit runs
 * unchanged. What it asks for that has no counterpart is an error with its place; what makes no
 * difference is a note.
 */
import { AppError } from '../../lib/errors.ts';
import {
  parseRecipeYaml,
  topLevelKeys,
  type KeyPath,
  type RecipePlace,
} from '../../lib/recipe-yaml.ts';
import type { Method } from '../method.ts';
import { checkSettings } from './check-settings.ts';
import { chatTemplates } from './chat-templates.ts';
import { mergekitMethods } from './mergekit-methods.ts';
import {
  mergekitMethod,
  refuse,
  refuseOtherPrograms,
  refuseUnsupported,
} from './mergekit-refusals.ts';
import { mergekitSchema, type MergekitFile, type MergekitInput } from './mergekit-schema.ts';
import type { ExpertPart, MergeRecipe, ModelPart, RecipeSlice } from './recipe.ts';
import { mapValues, valuesOf, type ParameterSetting, type ParameterSettings } from './values.ts';

/** The key that tells such a file from recipes of our own. */
export const mergekitKey = 'merge_method';

export interface MergekitTranslation {
  readonly recipe: MergeRecipe;
  /** What the file says that changes nothing here, in a person's words. */
  readonly notes: readonly string[];
  /** Where the file asks for one tokenizer for all models, which needs equal vocabularies here. */
  readonly oneVocabulary: string | undefined;
}

/** Reads a mergekit file; throws `recipe.*` with line and column. */
export function parseMergekit(text: string, file: string): MergekitTranslation {
  refuseOtherPrograms(topLevelKeys(text), file);
  const { value, place } = parseRecipeYaml(text, file, mergekitSchema);
  refuseUnsupported(value, place);
  const method = mergekitMethod(value.merge_method, place);
  return new Translation(value, method, place).result();
}

class Translation {
  readonly #file: MergekitFile;
  readonly #method: Method;
  readonly #place: RecipePlace;
  readonly #notes = new Set<string>();
  /** Of every slice, the position of each expert among the sources. */
  readonly #origins: (readonly number[])[] = [];

  constructor(file: MergekitFile, method: Method, place: RecipePlace) {
    this.#file = file;
    this.#method = method;
    this.#place = place;
  }

  result(): MergekitTranslation {
    const file = this.#file;
    const slices = file.slices
      ? file.slices.map((slice, s) => this.#slice(slice.sources, slice, ['slices', s]))
      : [this.#slice(this.#modelsWithBase(), {}, [])];
    const source = file.tokenizer?.source ?? file.tokenizer_source ?? undefined;
    const named = source !== undefined && source !== 'base' && source !== 'union';
    const asked = this.#place(file.tokenizer ? ['tokenizer', 'source'] : ['tokenizer_source']);
    const recipe: MergeRecipe = {
      method: this.#method.id,
      seed: 0,
      dtype: file.out_dtype ?? file.dtype ?? 'keep',
      base: file.base_model ?? undefined,
      slices,
      parameters: {
        ...this.#method.variants?.mergekit,
        ...this.#settings(file.parameters, ['parameters']),
      } as ParameterSettings,
      fixes: [],
      tokenizer: named ? source : undefined,
      chatTemplate: this.#chatTemplate(),
    };
    this.#requireSettings(recipe);
    checkSettings(this.#method, recipe, (path) => this.#place(...this.#written(path)));
    if (file.dtype && file.dtype !== 'fp32') {
      this.#notes.add(
        `dtype ${file.dtype} is used for the result only; the arithmetic is in fp32 or better`,
      );
    }
    return {
      recipe,
      notes: [...this.#notes],
      oneVocabulary: source === undefined ? undefined : asked,
    };
  }

  /** As mergekit does, the base is an input of its own where it is not listed. */
  #modelsWithBase(): readonly MergekitInput[] {
    const { models, base_model: base } = this.#file;
    const listed = models ?? [];
    if (!base || listed.some(({ model }) => model === base)) return listed;
    const rules = mergekitMethods[this.#method.id];
    return rules?.baseUnlisted === true ? listed : [...listed, { model: base, parameters: {} }];
  }

  #slice(
    sources: readonly MergekitInput[],
    of: {
      readonly base_model?: string | null | undefined;
      readonly parameters?: ParameterSettings;
    },
    path: KeyPath,
  ): RecipeSlice {
    const base = of.base_model ?? this.#file.base_model ?? undefined;
    const list = path.length === 0 ? 'models' : 'sources';
    this.#refuseRepeats(sources, [...path, list]);
    const inputs = sources.map((source, index): ExpertPart => ({
      ...partOf(source),
      parameters: this.#settings(source.parameters, [...path, list, index, 'parameters']),
    }));
    const parameters = this.#settings(of.parameters ?? {}, [...path, 'parameters']);
    const baseInput = inputs.find(({ model }) => model === base);
    this.#checkBase(base, baseInput, [...path, list]);
    const apart = this.#method.inputs.base !== 'unused';
    const experts = apart ? inputs.filter((entry) => entry !== baseInput) : inputs;
    this.#origins.push(experts.map((expert) => inputs.indexOf(expert)));
    if (!apart || baseInput === undefined) return { experts, parameters };
    return { base: { model: baseInput.model, layers: baseInput.layers }, experts, parameters };
  }

  #refuseRepeats(sources: readonly MergekitInput[], path: KeyPath): void {
    const at = sources.findIndex(
      ({ model }, index) => sources.findIndex((other) => other.model === model) < index,
    );
    if (at < 0) return;
    throw new AppError('recipe.invalid', {
      what: `the model "${sources[at]?.model ?? ''}" occurs twice`,
      where: this.#place([...path, at, 'model']),
      hint: 'name each model once, with the sum of the weights',
    });
  }

  #checkBase(base: string | undefined, input: ModelPart | undefined, path: KeyPath): void {
    const needed = this.#method.inputs.base === 'required';
    if (needed && base === undefined) {
      throw new AppError('recipe.invalid', {
        what: `method "${this.#method.id}" needs "base_model"`,
        where: this.#place(['merge_method']),
        hint: 'add base_model: the model the others were fine-tuned from',
      });
    }
    if (needed && input === undefined) {
      throw new AppError('recipe.invalid', {
        what: `base_model "${base ?? ''}" is not among the sources of this slice`,
        where: this.#place(path),
        hint: 'add it to the sources, with its layer_range',
      });
    }
  }

  /** The settings under our names, without those that change nothing. */
  #settings(given: ParameterSettings, path: KeyPath): ParameterSettings {
    const join = mergekitMethods[this.#method.id]?.join;
    const kept = Object.entries(join?.(given) ?? given).flatMap(([key, setting]) =>
      this.#setting(key, setting, [...path, key]),
    );
    return Object.fromEntries(kept);
  }

  #setting(
    key: string,
    setting: ParameterSetting,
    path: KeyPath,
  ): readonly (readonly [string, ParameterSetting])[] {
    const { parameters, perExpert } = this.#method;
    const rule = mergekitMethods[this.#method.id]?.parameters?.[key];
    const noted = (reason: string): readonly [] => {
      this.#notes.add(`${this.#place(path)} has no effect: ${reason}`);
      return [];
    };
    const known = key in parameters || key in perExpert;
    if (!known && rule !== undefined && 'ignored' in rule) {
      const { values } = rule;
      if (values === undefined || valuesOf(setting).every((value) => values.includes(value))) {
        return noted(rule.ignored);
      }
    }
    const renamed = rule !== undefined && 'name' in rule ? rule : undefined;
    const name = renamed?.name ?? key;
    // mergekit reads what is one value for all only where the merge or the slice is described.
    if (name in parameters && isOfModel(path)) {
      return noted('it is one value for the whole merge, in mergekit too');
    }
    if (renamed === undefined) return [[name, setting]];
    return [[name, mapValues(setting, (value) => renamed.values[String(value)] ?? value)]];
  }

  #requireSettings(recipe: MergeRecipe): void {
    for (const key of mergekitMethods[this.#method.id]?.required ?? []) {
      if (key in recipe.parameters) continue;
      for (const [s, slice] of recipe.slices.entries()) {
        if (key in slice.parameters) continue;
        const shared = key in this.#method.parameters;
        const at = slice.experts.findIndex(({ parameters }) => !(key in parameters));
        if (!shared && at < 0) continue;
        throw new AppError('recipe.invalid', {
          what: shared
            ? `method "${this.#method.id}" needs the parameter "${key}"`
            : `model "${slice.experts[at]?.model ?? ''}" has no "${key}", which "${this.#method.id}" needs for every model`,
          where: this.#place(...this.#written(['slices', s, 'experts', at, 'parameters', key])),
          hint: `add ${key} to the parameters of ${shared ? 'the merge' : 'the model, or of the merge for all'}`,
        });
      }
    }
  }

  /** Where in the file a key of the recipe stands, or what is around it. */
  #written(path: KeyPath): [KeyPath, ...KeyPath[]] {
    const [head, s, list, e, ...rest] = path;
    if (head !== 'slices' || list !== 'experts') return [path];
    const sources = this.#file.models ? ['models'] : ['slices', s ?? 0, 'sources'];
    const source = this.#origins[Number(s)]?.[Number(e)] ?? 0;
    return [[...sources, source, ...rest], [...sources, source], sources];
  }

  #chatTemplate(): string | undefined {
    const template = this.#file.chat_template ?? undefined;
    if (template === undefined || template === 'auto' || template.includes('{')) return template;
    const known = chatTemplates[template];
    if (known !== undefined) return known;
    return refuse(
      `the chat template "${template}" is not known here`,
      this.#place(['chat_template']),
      `write the template itself (Jinja), or one of: auto, ${Object.keys(chatTemplates).join(', ')}`,
    );
  }
}

function partOf({ model, layer_range: layers }: MergekitInput): ModelPart {
  return layers === undefined ? { model } : { model, layers };
}

/** Whether the path of a setting leads into those of one model. */
function isOfModel(path: KeyPath): boolean {
  return typeof path.at(-3) === 'number' && path.at(-4) !== 'slices';
}
