/**
 * Draws characters on the 64x64 canvas, fitted by their ink box, with small affine changes.
 */
import type { SKRSContext2D } from '@napi-rs/canvas';
import { css, DRAW, type Rgb } from './canvas.ts';
import { glyphBox, type Font } from './fonts.ts';
import type { Rng } from './random.ts';

export type GlyphPose = {
  /** Longest side of the ink box, in 64-px canvas units. */
  size: number;
  /** Centre of the ink box. */
  x: number;
  y: number;
  angle: number;
  shear: number;
  stretch: number;
};

/** Draws one character; returns the width it took, 0 when it has no ink. */
export function paintGlyph(
  ctx: SKRSContext2D,
  font: Font,
  char: string,
  colour: Rgb,
  pose: GlyphPose,
): number {
  ctx.save();
  const box = glyphBox(ctx, font, char);
  if (box === undefined) {
    ctx.restore();
    return 0;
  }
  const scale = pose.size / Math.max(box.width, box.height);
  ctx.translate(pose.x, pose.y);
  ctx.rotate(pose.angle);
  ctx.transform(scale * pose.stretch, 0, pose.shear * scale, scale / pose.stretch, 0, 0);
  ctx.fillStyle = css(colour);
  ctx.fillText(char, -box.left - box.width / 2, -box.top - box.height / 2);
  ctx.restore();
  return box.width * scale * pose.stretch;
}

/** A pose with the given spread of size, place, angle (degrees), shear and stretch. */
export function randomPose(
  rng: Rng,
  {
    low,
    high,
    shift,
    degrees,
    shear,
  }: Record<'low' | 'high' | 'shift' | 'degrees' | 'shear', number>,
): GlyphPose {
  return {
    size: rng.range(low, high) * 2,
    x: DRAW / 2 + rng.range(-shift, shift) * 2,
    y: DRAW / 2 + rng.range(-shift, shift) * 2,
    angle: (rng.range(-degrees, degrees) * Math.PI) / 180,
    shear: rng.range(-shear, shear),
    stretch: rng.range(0.9, 1.1),
  };
}
