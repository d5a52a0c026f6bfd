/** The corruptions of the published robustness set-ups, and how a set of images gets one. */
import { breather } from '../../lib/breath.ts';
import { AppError, throwIfCancelled } from '../../lib/errors.ts';
import type { ImageStore } from '../images.ts';
import type { Corruption } from './corruption.ts';
import { jpegCompression } from './jpeg.ts';
import { motionBlur } from './motion-blur.ts';
import { imageNoise } from './noise.ts';
import { pixelate } from './pixelate.ts';
import { contrast, gaussianNoise, impulseNoise } from './pointwise.ts';
import { spatter } from './spatter.ts';

/** In the order of the published tables. */
export const corruptions: readonly Corruption[] = [
  motionBlur,
  impulseNoise,
  gaussianNoise,
  pixelate,
  spatter,
  contrast,
  jpegCompression,
];

/** Throws `recipe.invalid`. */
export function corruptionNamed(kind: string): Corruption {
  const found = corruptions.find(({ id }) => id === kind);
  if (found !== undefined) return found;
  throw new AppError('recipe.invalid', {
    what: `there is no corruption "${kind}"`,
    hint: `choose one of ${corruptions.map(({ id }) => id).join(', ')}`,
  });
}

/**
 * Whose constants: `cifar` and `imagenet` those of CIFAR-10-C and ImageNet-C as they are; `by-size` those of the nearer
 * image width, with lengths in pixels scaled to the images'.
 */
export const constantSets = ['by-size', 'cifar', 'imagenet'] as const;
export type ConstantSet = (typeof constantSets)[number];

export interface CorruptionChoice {
  /** Id of a corruption. */
  readonly kind: string;
  readonly severity: number;
  readonly constants: ConstantSet;
}

/** Image widths that the constants were published for. */
const widths = { cifar: 32, imagenet: 224 } as const;

/** The constants for images of `size`, and how much longer lengths are there. */
export function constantsFor(
  size: number,
  chosen: ConstantSet,
): { readonly set: keyof typeof widths; readonly scale: number } {
  if (chosen !== 'by-size') return { set: chosen, scale: 1 };
  // The geometric middle, as sizes are ratios.
  const set = size ** 2 < widths.cifar * widths.imagenet ? 'cifar' : 'imagenet';
  return { set, scale: size / widths[set] };
}

/** Corrupts image number `index` of a task, the same for equal arguments. */
export async function corruptImage(
  pixels: Uint8Array,
  size: number,
  { kind, severity, constants }: CorruptionChoice,
  of: { readonly seed: number; readonly task: string; readonly index: number },
): Promise<Uint8Array> {
  const corruption = corruptionNamed(kind);
  const { set, scale } = constantsFor(size, constants);
  const constant = corruption.constants[set][severity - 1];
  if (constant === undefined) throw new Error(`no severity ${String(severity)}`);
  // Severities share their noise, so that curves over severities compare like with like.
  const noise = imageNoise(of.seed, kind, of.task, of.index);
  return corruption.apply({ size, pixels }, constant, { scale, noise });
}

/**
 * All images of a task, corrupted: now where they are in memory, else when they are read. Throws CancelledError.
 */
export async function corruptImages(
  store: ImageStore,
  choice: CorruptionChoice,
  of: { readonly seed: number; readonly task: string },
  signal?: AbortSignal,
): Promise<ImageStore> {
  const { size, count } = store;
  const corrupt = async (clean: Uint8Array, indices: ArrayLike<number>): Promise<Uint8Array> => {
    const bytes = size ** 2 * 3;
    const pixels = new Uint8Array(clean.length);
    const breathe = breather();
    for (let i = 0; i < indices.length; i++) {
      throwIfCancelled(signal);
      const own = clean.subarray(i * bytes, (i + 1) * bytes);
      const index = indices[i] ?? 0;
      pixels.set(await corruptImage(own, size, choice, { ...of, index }), i * bytes);
      await breathe();
    }
    return pixels;
  };
  if ('pixels' in store) {
    const all = Uint32Array.from({ length: count }, (_, index) => index);
    return { size, count, pixels: await corrupt(store.pixels, all) };
  }
  return {
    size,
    count,
    identity: JSON.stringify([store.identity, choice, of]),
    read: async (indices) => corrupt(await store.read(indices), indices),
  };
}
