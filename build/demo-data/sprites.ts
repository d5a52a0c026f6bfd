/**
 * Pictures with transparency (emoji, signs, flags, cards, clip art): rendering them from SVG or
 * PNG, and drawing them on a tile over a plain, gradient or photo background with small changes.
 */
import { loadImage, type Image, type SKRSContext2D } from '@napi-rs/canvas';
import sharp from 'sharp';
import { blur, css, degrade, DRAW, drawTile, randomColour, type Rgb } from './canvas.ts';
import { paintPhoto, type Photo } from './photos.ts';
import { rngFor, type Rng } from './random.ts';

const SPRITE = 96;

/**
 * Renders an SVG (or reads a bitmap) into a 96x96 transparent square; undefined when blank. The
 * length of an SVG's view box sets its resolution; `trim` cuts empty margins.
 */
export async function loadSprite(
  source: Buffer | string,
  { viewBox, trim = false }: { viewBox?: number; trim?: boolean } = {},
): Promise<Image | undefined> {
  const input = typeof source === 'string' ? Buffer.from(source) : source;
  const density = viewBox === undefined ? {} : { density: Math.max(1, (72 * SPRITE) / viewBox) };
  const whole = sharp(input, { ...density, limitInputPixels: 1e9 }).ensureAlpha();
  const { data, info } = await (trim ? whole.trim() : whole)
    .resize(SPRITE, SPRITE, { fit: 'contain', background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .raw()
    .toBuffer({ resolveWithObject: true });
  let opaque = 0;
  for (let i = 3; i < data.length; i += 4) if ((data[i] ?? 0) > 100) opaque += 1;
  if (opaque < SPRITE * SPRITE * 0.02) return undefined;
  const { width, height } = info;
  const png = await sharp(data, { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
  return loadImage(png);
}

export type SpriteLook = {
  background: 'pastel' | 'photo' | 'plain' | 'black';
  /** Longest side of the picture in tile pixels: from, to. */
  size: [number, number];
  degrees: number;
  shear: number;
  flip: boolean;
  shift: number;
  blur: number;
  noise: number;
  light: [number, number];
};

/** Emoji and clip art: pastel gradient, flip, small turns. */
export const CLIPART: SpriteLook = {
  background: 'pastel',
  size: [24, 31],
  degrees: 15,
  shear: 0.05,
  flip: true,
  shift: 1.5,
  blur: 0,
  noise: 0,
  light: [0.95, 1.05],
};

/** Street objects: photo background, tilt, light, blur, noise. */
export const STREET: SpriteLook = {
  background: 'photo',
  size: [20, 31],
  degrees: 12,
  shear: 0.13,
  flip: false,
  shift: 2.5,
  blur: 1.2,
  noise: 12,
  light: [0.5, 1.3],
};

function paintGradient(ctx: SKRSContext2D, rng: Rng): void {
  const pastel = (): Rgb => [rng.range(110, 240), rng.range(110, 240), rng.range(110, 240)];
  const angle = rng.range(0, Math.PI * 2);
  const [dx, dy] = [Math.cos(angle) * DRAW, Math.sin(angle) * DRAW];
  const half = DRAW / 2;
  const gradient = ctx.createLinearGradient(half - dx, half - dy, half + dx, half + dy);
  const from = pastel();
  const to = pastel();
  const between = from.map((value, i) => value * 0.6 + (to[i] ?? 0) * 0.4) as Rgb;
  gradient.addColorStop(0, css(from));
  gradient.addColorStop(1, css(between));
  ctx.fillStyle = gradient;
  ctx.fillRect(0, 0, DRAW, DRAW);
}

function toGrey(tile: Uint8Array): void {
  for (let i = 0; i < tile.length; i += 3) {
    const grey = 0.299 * (tile[i] ?? 0) + 0.587 * (tile[i + 1] ?? 0) + 0.114 * (tile[i + 2] ?? 0);
    tile.fill(Math.round(grey), i, i + 3);
  }
}

/** One tile of a picture; a photo is needed for photo backgrounds. */
function drawSprite(rng: Rng, image: Image, look: SpriteLook, photo?: Photo): Uint8Array {
  const plain: Rgb = look.background === 'plain' ? randomColour(rng) : [0, 0, 0];
  const tile = drawTile(plain, (ctx) => {
    if (look.background === 'photo' && photo !== undefined) paintPhoto(ctx, rng, photo);
    else if (look.background === 'pastel') paintGradient(ctx, rng);
    const scale = (rng.range(...look.size) * 2) / SPRITE;
    ctx.translate(
      DRAW / 2 + rng.range(-look.shift, look.shift) * 2,
      DRAW / 2 + rng.range(-look.shift, look.shift) * 2,
    );
    ctx.rotate((rng.range(-look.degrees, look.degrees) * Math.PI) / 180);
    const squeeze = look.shear > 0.1 ? rng.range(0.82, 1) : 1;
    ctx.transform(
      scale * squeeze * (look.flip && rng.chance(0.5) ? -1 : 1),
      rng.range(-look.shear, look.shear) * scale,
      rng.range(-look.shear, look.shear) * scale,
      scale,
      0,
      0,
    );
    ctx.imageSmoothingEnabled = true;
    ctx.imageSmoothingQuality = 'high';
    ctx.drawImage(image, -SPRITE / 2, -SPRITE / 2, SPRITE, SPRITE);
  });
  if (look.background === 'black') toGrey(tile);
  const soft = look.blur > 0 ? blur(tile, rng.range(0, look.blur)) : tile;
  const noise = look.noise > 0 ? rng.range(0, look.noise) : 0;
  return degrade(soft, rng, { noise, light: rng.range(...look.light) });
}

/** The varied looks of the pre-training pictures. */
export function poolLook(rng: Rng): SpriteLook {
  const at = rng.next();
  const background = at < 0.5 ? 'pastel' : at < 0.75 ? 'photo' : at < 0.9 ? 'black' : 'plain';
  const rough = rng.chance(0.3);
  return {
    ...CLIPART,
    background,
    shear: rng.chance(0.5) ? 0.12 : 0.02,
    blur: rough ? 0.8 : 0,
    noise: rough ? 8 : 0,
    light: [0.75, 1.15],
  };
}

/** Draws until the tile shows something: dark pictures vanish on black, white ones on white. */
export function drawVisible(
  key: string,
  image: Image,
  lookOf: (rng: Rng) => SpriteLook,
  photoOf?: (rng: Rng) => Photo,
): Uint8Array | undefined {
  for (let tries = 0; tries < 4; tries += 1) {
    const rng = rngFor(`${key}/${tries}`);
    const look = lookOf(rng);
    const tile = drawSprite(rng, image, look, photoOf?.(rng));
    let low = 255;
    let high = 0;
    let ink = 0;
    for (const value of tile) {
      low = Math.min(low, value);
      high = Math.max(high, value);
      if (value > 40) ink += 1;
    }
    if (high - low > 40 && ink > tile.length * 0.04) return tile;
  }
  return undefined;
}
