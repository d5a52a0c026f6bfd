/**
 * What a corruption is: a published way to degrade an image (Hendrycks and Dietterich, ICLR 2019,
 * arXiv 1903.12261), with constants for five severities at two image sizes.
 */
import type { ImageNoise } from './noise.ts';

/** A square RGB image, 8 bits a channel, channels last. */
export interface RgbImage {
  readonly size: number;
  readonly pixels: Uint8Array;
}

/** Of severities 1 to 5. */
export type BySeverity<Constant> = readonly [Constant, Constant, Constant, Constant, Constant];

export interface CorruptionContext {
  /** Image width over the width that the constants are for: lengths in pixels grow with it. */
  readonly scale: number;
  readonly noise: ImageNoise;
}

export interface Corruption<Constant = unknown> {
  readonly id: string;
  readonly title: string;
  /** One plain sentence. */
  readonly summary: string;
  readonly constants: {
    /** Of CIFAR-10-C, for images of 32 × 32. */
    readonly cifar: BySeverity<Constant>;
    /** Of ImageNet-C, for images of 224 × 224. */
    readonly imagenet: BySeverity<Constant>;
  };
  /** The corrupted pixels; depends on nothing but its arguments. */
  apply(
    image: RgbImage,
    constant: Constant,
    context: CorruptionContext,
  ): Uint8Array | Promise<Uint8Array>;
}

/** Checks the constants of a record against what its function takes, then forgets their type. */
export function defineCorruption<Constant>(corruption: Corruption<Constant>): Corruption {
  return corruption;
}

/** Clips a channel in [0, 1] and cuts it to a byte, as the published generators do. */
export function toByte(channel: number): number {
  return Math.trunc(Math.min(1, Math.max(0, channel)) * 255);
}
