/** What reading config.json has in common for both towers of CLIP. */
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';

export type Tower = 'vision' | 'text';

/** A width, a count of layers or of pixels: no CLIP comes near the bound, and products of two stay exact. */
export const size = z.number().int().positive().max(65_536);

/** `json` by `schema`. Throws `model.config_invalid`, which names the first key that does not fit. */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  json: unknown,
  where: string,
  tower: Tower,
): z.infer<Schema> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue?.path.join('.') || 'config.json';
  throw invalidConfig(where, tower, `${key}: ${issue?.message ?? 'invalid'}`);
}

/** `what` is wrong with the config at `where`. */
export function invalidConfig(where: string, tower: Tower, what: string): AppError {
  return new AppError('model.config_invalid', {
    what,
    where,
    hint: `Mergewright reads CLIP ${tower} encoders in the Hugging Face layout; check config.json`,
  });
}
