/**
 * How images are prepared for an encoder, as Hugging Face's CLIPImageProcessor does it: the shortest edge
 * resized, a square cut out of the middle, values scaled to [0, 1] and normalised. The settings are those of
 * the `preprocessor_config.json` beside a model, or of OpenCLIP's `open_clip_config.json`.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import type { DecodedImage } from './decode-image.ts';
import type { Normalisation } from './images.ts';
import { resizedSquare, type ResamplingFilter } from './resample.ts';

export interface Preprocessing {
  /** The shortest edge after resizing; with `stretch`, both edges, whatever the shape of the image. */
  readonly edge: number;
  readonly stretch: boolean;
  readonly filter: ResamplingFilter;
  /** Edge of the square cut out of the middle: what the encoder gets. */
  readonly size: number;
  readonly normalisation: Normalisation;
}

/** What OpenAI's CLIP models were trained with; used when a model brings no settings of its own. */
const clipNormalisation: Normalisation = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711],
};

const edge = z.int().min(1).max(4096);
const channels = z.tuple([z.number(), z.number(), z.number()]);
const schema = z.object({
  image_mean: channels,
  image_std: channels.refine((values) => values.every((value) => value > 0), 'must be positive'),
  size: z
    .union([edge, z.object({ shortest_edge: edge }), z.object({ height: edge, width: edge })])
    .optional(),
  crop_size: z.union([edge, z.object({ height: edge, width: edge })]).optional(),
  resample: z.int().default(3),
  rescale_factor: z.number().default(1 / 255),
  do_resize: z.boolean().default(true),
  do_center_crop: z.boolean().default(true),
  do_rescale: z.boolean().default(true),
  do_normalize: z.boolean().default(true),
});
type Settings = z.output<typeof schema>;

/** What open_clip_config.json says of images; defaults are those of open_clip's PreprocessCfg. */
const openClipSchema = z
  .object({
    preprocess_cfg: z.object({
      mean: channels,
      std: channels,
      interpolation: z.enum(['bicubic', 'bilinear']).default('bicubic'),
      resize_mode: z.enum(['shortest', 'squash']).default('shortest'),
    }),
    model_cfg: z.object({ vision_cfg: z.object({ image_size: edge.default(224) }) }),
  })
  .transform(({ preprocess_cfg: { mean, std, interpolation, resize_mode }, model_cfg }) => {
    const { image_size: size } = model_cfg.vision_cfg;
    return schema.parse({
      image_mean: mean,
      image_std: std,
      resample: interpolation === 'bicubic' ? 3 : 2,
      size: resize_mode === 'squash' ? { height: size, width: size } : size,
    });
  });

/** Descriptions of a folder; the first that is there counts. */
const descriptions = [
  ['preprocessor_config.json', schema],
  ['open_clip_config.json', openClipSchema],
] as const;

/** By Pillow's numbers. */
const filters = new Map<number, ResamplingFilter>([
  [2, 'bilinear'],
  [3, 'bicubic'],
]);

/**
 * Settings of the model at `path` (a folder, or a weight file in one), whose encoder takes images of `size`
 * pixels. Throws `data.invalid` when its description of them cannot be understood, and
 * `data.preprocessing_unsupported` when it asks for what is not done here.
 */
export async function readPreprocessing(path: string, size: number): Promise<Preprocessing> {
  const { where, settings } = await readSettings(path);
  const usual = { edge: size, stretch: false, filter: 'bicubic', size } as const;
  if (settings === undefined) return { ...usual, normalisation: clipNormalisation };
  return { ...usual, ...geometry(settings, size, where), normalisation: normalisationOf(settings) };
}

/** Normalisation alone, for images that are stored at the size of the encoder. */
export async function readNormalisation(path: string): Promise<Normalisation> {
  const { settings } = await readSettings(path);
  return settings === undefined ? clipNormalisation : normalisationOf(settings);
}

/**
 * The pixels that `preprocessing` makes of an image, RGB, `size`² of them: everything but the normalisation,
 * which `writeImages` does.
 */
export function preparedPixels(image: DecodedImage, preprocessing: Preprocessing): Uint8Array {
  const { edge: wanted, stretch, size, filter } = preprocessing;
  const shortest = Math.min(image.width, image.height);
  // The longer edge is truncated, as Python's int() does.
  const scaled = (length: number) => (stretch ? wanted : Math.trunc((wanted * length) / shortest));
  const [width, height] = [scaled(image.width), scaled(image.height)];
  const left = Math.floor((width - size) / 2);
  const top = Math.floor((height - size) / 2);
  return resizedSquare(image, { width, height, left, top, size, filter });
}

async function readSettings(
  path: string,
): Promise<{ where: string; settings: Settings | undefined }> {
  const folder = (await stat(path)).isDirectory() ? path : dirname(path);
  for (const [name, described] of descriptions) {
    const where = join(folder, name);
    const text = await readFile(where, 'utf8').catch(() => undefined);
    if (text !== undefined) return { where, settings: parsed(text, described, where) };
  }
  return { where: folder, settings: undefined };
}

function parsed(text: string, described: z.ZodType<Settings>, where: string): Settings {
  try {
    return described.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('data.invalid', {
      what: `the preprocessing settings cannot be understood: ${problem(cause)}`,
      where,
      hint: `restore the ${basename(where)} that came with the model, or remove it for CLIP’s values`,
      cause,
    });
  }
}

function problem(cause: unknown): string {
  const issue = cause instanceof z.ZodError ? cause.issues[0] : undefined;
  return issue === undefined ? 'they are not JSON' : `${issue.path.join('.')}: ${issue.message}`;
}

function normalisationOf({ do_normalize, image_mean, image_std }: Settings): Normalisation {
  if (!do_normalize) return { mean: [0, 0, 0], deviation: [1, 1, 1] };
  return { mean: image_mean, deviation: image_std };
}

function geometry(
  settings: Settings,
  encoderSize: number,
  where: string,
): Pick<Preprocessing, 'edge' | 'stretch' | 'filter'> {
  const unsupported = (what: string) =>
    new AppError('data.preprocessing_unsupported', {
      what,
      where,
      hint: 'images are prepared as CLIPImageProcessor does: shortest edge, square from the middle, scaled to [0, 1]',
    });
  const filter = filters.get(settings.resample);
  if (filter === undefined) {
    throw unsupported(`resample ${settings.resample} is neither bicubic (3) nor bilinear (2)`);
  }
  if (!settings.do_resize) throw unsupported('images are not to be resized');
  if (!settings.do_rescale || Math.abs(settings.rescale_factor * 255 - 1) > 1e-6) {
    throw unsupported('values are to be scaled by something else than 1/255');
  }
  const { size = encoderSize } = settings;
  const stretch = typeof size === 'object' && 'height' in size;
  const [height, width] = rectangle(size);
  if (height !== width) throw unsupported(`images are to become ${width}×${height} pixels`);
  if (!settings.do_center_crop && !stretch) throw unsupported('images of any shape are wanted');
  const crop = settings.do_center_crop ? (settings.crop_size ?? encoderSize) : height;
  const [cropHeight, cropWidth] = rectangle(crop);
  if (cropHeight !== encoderSize || cropWidth !== encoderSize) {
    throw new AppError('data.invalid', {
      what: `images are prepared at ${cropWidth}×${cropHeight} pixels, the encoder takes ${encoderSize}×${encoderSize}`,
      where,
      hint: 'use the preprocessor_config.json that belongs to this model',
    });
  }
  if (height < encoderSize) {
    throw unsupported(`a square of ${encoderSize} pixels cannot be cut out of ${height}`);
  }
  return { edge: height, stretch, filter };
}

function rectangle(size: number | { height: number; width: number } | { shortest_edge: number }) {
  if (typeof size === 'number') return [size, size] as const;
  if ('height' in size) return [size.height, size.width] as const;
  return [size.shortest_edge, size.shortest_edge] as const;
}
