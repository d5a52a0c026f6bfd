/**
 * Drawing helpers: a reused 64x64 canvas averaged down to a 32x32 RGB tile, colours with a wanted
 * contrast, and the pixel effects of the recipes (blur, noise, light).
 */
import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { TILE, TILE_BYTES } from './types.ts';
import type { Rng } from './random.ts';

export const DRAW = 64;
const canvas = createCanvas(DRAW, DRAW);
const context = canvas.getContext('2d');

export type Rgb = [number, number, number];

/** Draws on a fresh 64x64 canvas (origin top left) and returns the averaged 32x32 RGB tile. */
export function drawTile(background: Rgb, paint: (ctx: SKRSContext2D) => void): Uint8Array {
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.fillStyle = css(background);
  context.fillRect(0, 0, DRAW, DRAW);
  paint(context);
  context.restore();
  const { data } = context.getImageData(0, 0, DRAW, DRAW);
  const tile = new Uint8Array(TILE_BYTES);
  for (let y = 0; y < TILE; y += 1) {
    for (let x = 0; x < TILE; x += 1) {
      const at = (y * 2 * DRAW + x * 2) * 4;
      for (let c = 0; c < 3; c += 1) {
        const sum =
          (data[at + c] ?? 0) +
          (data[at + 4 + c] ?? 0) +
          (data[at + DRAW * 4 + c] ?? 0) +
          (data[at + DRAW * 4 + 4 + c] ?? 0);
        tile[(y * TILE + x) * 3 + c] = (sum + 2) >> 2;
      }
    }
  }
  return tile;
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${Math.round(r)},${Math.round(g)},${Math.round(b)})`;
}

function luminance([r, g, b]: Rgb): number {
  return 0.299 * r + 0.587 * g + 0.114 * b;
}

export function randomColour(rng: Rng): Rgb {
  return [rng.range(0, 255), rng.range(0, 255), rng.range(0, 255)];
}

/** A random colour whose lightness differs from the given one by at least `contrast`. */
export function contrasting(rng: Rng, other: Rgb, contrast: number): Rgb {
  for (let tries = 0; tries < 60; tries += 1) {
    const colour = randomColour(rng);
    if (Math.abs(luminance(colour) - luminance(other)) >= contrast) return colour;
  }
  return luminance(other) > 127 ? [0, 0, 0] : [255, 255, 255];
}

/** Mean colour of a tile. */
export function meanColour(tile: Uint8Array): Rgb {
  const sum: Rgb = [0, 0, 0];
  for (let i = 0; i < tile.length; i += 3) {
    sum[0] += tile[i] ?? 0;
    sum[1] += tile[i + 1] ?? 0;
    sum[2] += tile[i + 2] ?? 0;
  }
  const pixels = tile.length / 3;
  return [sum[0] / pixels, sum[1] / pixels, sum[2] / pixels];
}

/** Gaussian blur of the given radius (in tile pixels), edges repeated. */
export function blur(tile: Uint8Array, sigma: number): Uint8Array {
  if (sigma < 0.2) return tile;
  const reach = Math.ceil(sigma * 2.5);
  const weights: number[] = [];
  for (let i = -reach; i <= reach; i += 1) weights.push(Math.exp((-i * i) / (2 * sigma * sigma)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const pass = (source: Float64Array, stride: number, cross: number): Float64Array => {
    const out = new Float64Array(source.length);
    for (let line = 0; line < TILE; line += 1) {
      for (let at = 0; at < TILE; at += 1) {
        for (let c = 0; c < 3; c += 1) {
          let sum = 0;
          for (let i = -reach; i <= reach; i += 1) {
            const from = Math.min(TILE - 1, Math.max(0, at + i));
            sum += (weights[i + reach] ?? 0) * (source[line * cross + from * stride + c] ?? 0);
          }
          out[line * cross + at * stride + c] = sum / total;
        }
      }
    }
    return out;
  };
  const across = pass(Float64Array.from(tile), 3, TILE * 3);
  return Uint8Array.from(pass(across, TILE * 3, 3), (value) => Math.round(value));
}

/** Adds pixel noise, a light factor and a colour cast, in place. */
export function degrade(
  tile: Uint8Array,
  rng: Rng,
  { noise = 0, light = 1, cast = [1, 1, 1] as Rgb }: { noise?: number; light?: number; cast?: Rgb },
): Uint8Array {
  for (let i = 0; i < tile.length; i += 1) {
    const grain = noise > 0 ? rng.gauss() * noise : 0;
    const value = (tile[i] ?? 0) * light * (cast[i % 3] ?? 1) + grain;
    tile[i] = Math.max(0, Math.min(255, Math.round(value)));
  }
  return tile;
}
