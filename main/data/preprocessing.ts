/** How images are prepared for an encoder: `preprocessor_config.json` of the Hugging Face layout. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import type { Normalisation } from './images.ts';

/** What OpenAI's CLIP models were trained with; used when a model brings no settings of its own. */
const clipNormalisation: Normalisation = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711],
};

const channels = z.tuple([z.number(), z.number(), z.number()]);
const schema = z.object({
  image_mean: channels,
  image_std: channels.refine((values) => values.every((value) => value > 0), 'must be positive'),
});

/**
 * Normalisation for the model at `path` (a folder, or a weight file in one). Throws `data.invalid`
 * when its preprocessor_config.json cannot be understood.
 */
export async function readNormalisation(path: string): Promise<Normalisation> {
  const folder = (await stat(path)).isDirectory() ? path : dirname(path);
  const where = join(folder, 'preprocessor_config.json');
  let text: string;
  try {
    text = await readFile(where, 'utf8');
  } catch {
    return clipNormalisation;
  }
  try {
    const { image_mean: mean, image_std: deviation } = schema.parse(JSON.parse(text));
    return { mean, deviation };
  } catch (cause) {
    throw new AppError('data.invalid', {
      what: 'the preprocessing settings lack image_mean and image_std of three numbers each',
      where,
      hint: 'restore the preprocessor_config.json that came with the model, or remove it for CLIP’s values',
      cause,
    });
  }
}
