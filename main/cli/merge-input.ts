/** What `merge` and `check` are asked to merge: a file of one of three forms, or flags. */
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { AppError } from '../lib/errors.ts';
import { applyFix } from '../merging/planning/fixes.ts';
import { recipeFromFlags } from '../merging/planning/from-flags.ts';
import type { MergekitTranslation } from '../merging/planning/mergekit-yaml.ts';
import type { PrepareOptions } from '../merging/planning/prepare.ts';
import {
  mergeFileKind,
  readMergeFile,
  withAbsolutePaths,
} from '../merging/planning/read-recipe.ts';
import { storedTypes } from '../merging/planning/recipe.ts';
import { defaultCeiling } from '../merging/streaming/budget.ts';
import type { OptionTable, OptionValues } from './command.ts';
import { UsageError } from './failure.ts';

/** Options both commands have. */
export const mergeOptions = {
  method: {
    kind: 'text',
    value: 'ID',
    summary: 'merging method; of a recipe with several, the one to use',
  },
  base: { kind: 'text', value: 'PATH', summary: 'the model the others were fine-tuned from' },
  set: {
    kind: 'repeated',
    value: 'NAME=VALUE',
    summary:
      'a parameter of the method: density=0.3 for all, weight=0.5,0.3 for each model, t=[0,0.5,1] over the layers',
  },
  dtype: {
    kind: 'text',
    value: 'TYPE',
    choices: storedTypes,
    summary: 'how the result is stored; keep is as the base',
  },
  seed: {
    kind: 'integer',
    value: 'N',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    summary: 'for methods that draw at random',
  },
  fix: {
    kind: 'repeated',
    value: 'FIX',
    summary: 'what to do about a finding, as "mergewright check" names it',
  },
  threads: { kind: 'integer', value: 'N', min: 1, max: 1024, summary: 'threads to merge with' },
  memory: {
    kind: 'text',
    value: 'SIZE',
    summary: 'memory to use at most, e.g. 2GB; otherwise half of what is free, at most 4 GiB',
  },
} as const satisfies OptionTable;

type MergeOptionValues = OptionValues<typeof mergeOptions>;

/** Undefined for a recipe of the other kind: a run over tasks. */
export async function readMergeInput(
  positionals: readonly string[],
  values: MergeOptionValues,
): Promise<MergekitTranslation | undefined> {
  const [first = '', ...others] = positionals;
  const text = others.length === 0 ? await readYaml(first) : undefined;
  const input = text === undefined ? fromFlags(positionals, values) : fromFile(text, first, values);
  if (input === undefined) return undefined;
  const fixed = (values.fix ?? []).reduce(
    (recipe, fix) => applyFix(recipe, fix, '--fix'),
    input.recipe,
  );
  return { ...input, recipe: withAbsolutePaths(fixed, [process.cwd()], 'the command line') };
}

function fromFile(
  text: string,
  path: string,
  values: MergeOptionValues,
): MergekitTranslation | undefined {
  if (mergeFileKind(text) === undefined) return undefined;
  for (const name of ['method', 'base', 'set'] as const) {
    const given = values[name];
    if (given === undefined) continue;
    throw new UsageError(`--${name} is for merges without a file; ${path} says it`, 'merge');
  }
  const { recipe, ...rest } = readMergeFile(text, path);
  const { seed = recipe.seed, dtype = recipe.dtype } = values;
  return { ...rest, recipe: { ...recipe, seed, dtype } };
}

function fromFlags(experts: readonly string[], values: MergeOptionValues): MergekitTranslation {
  const { method, base, set = [], dtype, seed } = values;
  if (method === undefined) {
    throw new UsageError('models without a recipe need --method ID', 'merge');
  }
  const recipe = recipeFromFlags({ method, base, experts, set, dtype, seed });
  return { recipe, notes: [], oneVocabulary: undefined };
}

/** Folders and weight files are models; everything else should be YAML. */
function isModel(path: string): boolean {
  if (/\.(?:safetensors|bin|pt|pth|ckpt|json)$/i.test(path) || path.includes('+')) return true;
  return existsSync(path) ? statSync(path).isDirectory() : !/\.ya?ml$/i.test(path);
}

/** The text of a recipe; undefined for a model. */
async function readYaml(path: string): Promise<string | undefined> {
  if (isModel(path)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new AppError('recipe.unreadable', {
      what: missing ? 'there is no recipe here' : 'the recipe cannot be read as UTF-8 text',
      where: path,
      hint: 'check the path of the recipe',
      cause,
    });
  }
}

/** Threads and memory, as given or as the machine allows. */
export function limitsOf({
  threads = availableParallelism(),
  memory,
}: Pick<MergeOptionValues, 'threads' | 'memory'>): Pick<
  PrepareOptions,
  'threads' | 'ceilingBytes'
> {
  return {
    threads,
    ceilingBytes: memory === undefined ? defaultCeiling() : byteCount(memory, '--memory'),
  };
}

const units: Readonly<Record<string, number>> = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** `2GB`, `1.5 GiB`, `800000` (bytes). */
export function byteCount(text: string, option: string): number {
  const [, number = '', unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = unit === '' ? 1 : (units[unit.toUpperCase()] ?? units[`${unit.toUpperCase()}B`]);
  if (number === '' || factor === undefined) {
    throw new UsageError(`${option} must be a size like 2GB or 512MiB, is "${text}"`, 'merge');
  }
  return Math.floor(Number(number) * factor);
}
