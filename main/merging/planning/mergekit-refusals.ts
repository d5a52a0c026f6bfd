/** What mergekit's YAML can ask for that is refused here, each with its place and what to do. */
import { closest } from '../../lib/closest.ts';
import { AppError } from '../../lib/errors.ts';
import type { RecipePlace } from '../../lib/recipe-yaml.ts';
import type { Method } from '../method.ts';
import { methodOf } from './check-settings.ts';
import { mergekitMethods, otherMergekitMethods } from './mergekit-methods.ts';
import type { MergekitFile } from './mergekit-schema.ts';

export function refuse(what: string, where: string, hint: string): never {
  throw new AppError('recipe.unsupported', { what, where, hint });
}

/** Files of mergekit's other programs, by a key that only they have. */
const otherPrograms: ReadonlyMap<string, readonly [program: string, makes: string]> = new Map([
  ['gate_mode', ['mergekit-moe', 'a mixture of experts']],
  ['genome', ['mergekit-evolve', 'a search for the values of a merge']],
]);

export const isOfOtherProgram = (keys: readonly string[]): boolean =>
  keys.some((key) => otherPrograms.has(key));

/** Throws `recipe.unsupported` for a file with such keys at its top. */
export function refuseOtherPrograms(keys: readonly string[], file: string): void {
  for (const key of keys) {
    const [program, makes] = otherPrograms.get(key) ?? [];
    if (program === undefined) continue;
    refuse(
      `"${key}" makes it a file for ${program} (${makes ?? ''}), which is not supported`,
      file,
      'write "merge_method" and "models" to merge the weights of the models',
    );
  }
}

/** Throws `recipe.unsupported` and `recipe.invalid` for a file of the right form. */
export function refuseUnsupported(file: MergekitFile, place: RecipePlace): void {
  if (file.modules !== undefined) {
    const hint = 'write one file with "models" or "slices" for each part of the model';
    refuse(
      '"modules" (parts merged each in its own way) is not supported',
      place(['modules']),
      hint,
    );
  }
  const { models, slices } = file;
  if (!models === !slices) {
    throw new AppError('recipe.invalid', {
      what: 'a merge has either "models" or "slices"',
      where: place(['slices'], ['models']),
      hint: models ? 'keep one of the two' : 'add "models", a list of what is to be merged',
    });
  }
  for (const [s, slice] of (slices ?? []).entries()) {
    if (slice.residual_weight === undefined || slice.residual_weight === null) continue;
    const where = place(['slices', s, 'residual_weight']);
    refuse(
      '"residual_weight" is not supported',
      where,
      'remove it; mergekit does not use it either',
    );
  }
  for (const key of ['tokens', 'pad_to_multiple_of'] as const) {
    if (file.tokenizer?.[key] === undefined || file.tokenizer[key] === null) continue;
    const hint = 'merge models whose tokenizers agree, and leave the tokenizer as it is';
    refuse(
      `"${key}" changes the vocabulary, which is not supported`,
      place(['tokenizer', key]),
      hint,
    );
  }
  if (file.tokenizer && file.tokenizer_source) {
    throw new AppError('recipe.invalid', {
      what: '"tokenizer" and "tokenizer_source" say the same',
      where: place(['tokenizer_source']),
      hint: 'keep one of the two',
    });
  }
}

/** Our method for mergekit's; throws `recipe.unknown_method` and `recipe.unsupported`. */
export function mergekitMethod(id: string, place: RecipePlace): Method {
  const where = place(['merge_method']);
  const known = Object.keys(mergekitMethods);
  if (id in mergekitMethods) return methodOf(id, where);
  if (otherMergekitMethods.includes(id)) {
    refuse(
      `mergekit's method "${id}" is not available here`,
      where,
      `available: ${known.join(', ')}`,
    );
  }
  const meant = closest(id, known);
  throw new AppError('recipe.unknown_method', {
    what: `mergekit has no method "${id}"`,
    where,
    hint: `${meant === undefined ? '' : `did you mean "${meant}"? `}available: ${known.join(', ')}`,
  });
}
