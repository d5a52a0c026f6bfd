/**
 * What can be done about a finding, as a recipe carries it and `--fix` takes it: a word, or a word and
 * a value. Fixes that only change the recipe are applied to it at once and are not kept.
 */
import { z } from 'zod';
import { closest } from '../../lib/closest.ts';
import { AppError } from '../../lib/errors.ts';
import { storedTypes, type MergeRecipe, type StoredType } from './recipe.ts';

/** The fixes, each with what it does. */
const fixTable = {
  intersection: 'merge the tensors all models have alike and copy the others from the base',
  'embeddings=crop': 'keep only the rows of embeddings and head that all models have',
  'embeddings=keep':
    'keep all rows of embeddings and head; rows that a model lacks are those of the first that has them',
  'rename=FROM:TO': 'replace the beginning FROM of tensor names by TO, in models that have it',
  'ignore-checksums=PATH': 'read this PyTorch file although bytes of it do not fit their checksums',
  'base=PATH': 'take this model as the base',
  'cast=DTYPE': `write every tensor as ${storedTypes.slice(1).join(', ')}`,
} as const;

export type EmbeddingRows = 'crop' | 'keep';

export interface NameRule {
  readonly from: string;
  readonly to: string;
}

/** The fixes of a recipe, as planning uses them. */
export interface Fixes {
  readonly intersection: boolean;
  readonly embeddings: EmbeddingRows | undefined;
  readonly renames: readonly NameRule[];
  /** Models whose checksums do not count. */
  readonly unchecked: readonly string[];
}

const kept = /^(?:intersection|embeddings=(?:crop|keep)|rename=[^:]*:[^:]*|ignore-checksums=.+)$/s;

export const fixSchema = z.string().regex(kept, Object.keys(fixTable).slice(0, 5).join(', '));

const UNCHECKED = 'ignore-checksums=';

export function readFixes(fixes: readonly string[]): Fixes {
  const embeddings = fixes.find((fix) => fix.startsWith('embeddings='))?.slice(11);
  return {
    intersection: fixes.includes('intersection'),
    embeddings: embeddings === 'crop' || embeddings === 'keep' ? embeddings : undefined,
    renames: fixes.filter((fix) => fix.startsWith('rename=')).map(nameRule),
    unchecked: fixes
      .filter((fix) => fix.startsWith(UNCHECKED))
      .map((fix) => fix.slice(UNCHECKED.length)),
  };
}

function nameRule(fix: string): NameRule {
  const [from = '', to = ''] = fix.slice(7).split(':');
  return { from, to };
}

/** The recipe with one more fix; throws `recipe.unknown_fix`. */
export function applyFix(recipe: MergeRecipe, fix: string, where: string): MergeRecipe {
  const [word = '', ...rest] = fix.split('=');
  const value = rest.join('=');
  if (word === 'cast' && isStoredType(value)) return { ...recipe, dtype: value };
  if (word === 'base' && value !== '') return withBase(recipe, value);
  if (!kept.test(fix)) throw unknownFix(fix, where);
  return recipe.fixes.includes(fix) ? recipe : { ...recipe, fixes: [...recipe.fixes, fix] };
}

function isStoredType(text: string): text is StoredType {
  return (storedTypes as readonly string[]).includes(text);
}

/** The model becomes the base; where it was an expert, it is none any more. */
function withBase(recipe: MergeRecipe, model: string): MergeRecipe {
  return {
    ...recipe,
    base: model,
    slices: recipe.slices.map((slice) => ({
      ...slice,
      base: {
        model,
        layers: (slice.base ?? slice.experts.find((expert) => expert.model === model))?.layers,
      },
      experts: slice.experts.filter((expert) => expert.model !== model),
    })),
  };
}

function unknownFix(fix: string, where: string): AppError {
  const known = Object.keys(fixTable);
  const meant = closest(fix, known);
  return new AppError('recipe.unknown_fix', {
    what: `there is no fix "${fix}"`,
    where,
    hint: `${meant === undefined ? '' : `did you mean "${meant}"? `}known fixes: ${known.join(', ')}`,
  });
}
