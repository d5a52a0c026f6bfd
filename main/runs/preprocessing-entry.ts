/** The part of a recipe that overrules how the base model's own settings prepare images. */
import { z } from 'zod';
import type { Normalisation } from '../data/images.ts';
import { readNormalisation, readPreprocessing, type Preprocessing } from '../data/preprocessing.ts';
import { AppError } from '../lib/errors.ts';

const channels = z.tuple([z.number(), z.number(), z.number()]);

/** What is left out stays as the preprocessor_config.json of the base model has it. */
export const preprocessingSchema = z.strictObject({
  /** Length of the shortest edge before the square is cut out; of both edges, where images are stretched. */
  edge: z.int().min(1).max(4096).optional(),
  stretch: z.boolean().optional(),
  filter: z.enum(['bicubic', 'bilinear']).optional(),
  mean: channels.optional(),
  deviation: channels
    .refine((values) => values.every((value) => value > 0), 'must be positive')
    .optional(),
});
type PreprocessingEntry = z.output<typeof preprocessingSchema>;

/** The entry in fixed key order. */
export function orderedPreprocessing(entry: PreprocessingEntry): PreprocessingEntry {
  const { edge, stretch, filter, mean, deviation } = entry;
  return {
    ...(edge !== undefined && { edge }),
    ...(stretch !== undefined && { stretch }),
    ...(filter !== undefined && { filter }),
    ...(mean !== undefined && { mean }),
    ...(deviation !== undefined && { deviation }),
  };
}

/** Normalisation of a run. Throws what `readNormalisation` throws. */
export async function normalisationFor(
  base: string,
  entry: PreprocessingEntry | undefined,
): Promise<Normalisation> {
  if (entry?.mean !== undefined && entry.deviation !== undefined) {
    return { mean: entry.mean, deviation: entry.deviation };
  }
  const { mean, deviation } = await readNormalisation(base);
  return { mean: entry?.mean ?? mean, deviation: entry?.deviation ?? deviation };
}

/** Preprocessing of a run for an encoder of `size`. Throws `data.invalid` and what `readPreprocessing` throws. */
export async function preprocessingFor(
  base: string,
  size: number,
  entry: PreprocessingEntry | undefined,
): Promise<Preprocessing> {
  const own = await readPreprocessing(base, size);
  const { edge = own.edge, stretch = own.stretch, filter = own.filter } = entry ?? {};
  if (edge < size) {
    throw new AppError('data.invalid', {
      what: `a square of ${size} pixels cannot be cut out of ${edge}`,
      where: 'preprocessing.edge of the recipe',
      hint: `give at least ${size}, or leave it out`,
    });
  }
  return { size, edge, stretch, filter, normalisation: await normalisationFor(base, entry) };
}
