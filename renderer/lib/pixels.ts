/** Packed RGB as the compute process sends it, and the RGBA that a canvas takes. */

export interface Tile {
  /** Width and height in pixels. */
  readonly size: number;
  /** RGBA, rows from the top. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** Spreads packed RGB into the RGBA that a canvas takes. */
export function expandRgb(rgb: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from]!;
    rgba[to + 1] = rgb[from + 1]!;
    rgba[to + 2] = rgb[from + 2]!;
    rgba[to + 3] = 255;
  }
  return rgba;
}

/** Splits what a call of `tiles` returned. */
export function splitTiles(size: number, count: number, base64: string): Tile[] {
  const all = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stride = size * size * 3;
  return Array.from({ length: count }, (_, index) => ({
    size,
    pixels: expandRgb(all.subarray(index * stride, (index + 1) * stride)),
  }));
}
