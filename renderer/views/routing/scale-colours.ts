/**
 * The colours of the diverging scale, worked out once for each theme: a step of the slider colours thousands of cells,
 * and interpolating, writing CSS and choosing a readable ink for each would take most of its time.
 */
import { css, diverging, textOn, type DivergingScale, type Rgb } from '../../lib/colours.ts';

interface ScaleColours {
  /** As a canvas keeps pixels: little-endian RGBA. */
  readonly pixels: Uint32Array;
  readonly css: readonly string[];
  /** The text colour that reads on each of them. */
  readonly inks: readonly string[];
}

/** From low to high; so many that no step between two is seen. */
const count = 512;
const tables = new Map<boolean, ScaleColours>();

/** The table of a theme, to be read at `colourIndex`. */
export function scaleColours(dark: boolean): ScaleColours {
  let table = tables.get(dark);
  if (table === undefined) {
    const colours = Array.from({ length: count }, (_, index): Rgb => {
      return diverging((2 * index) / (count - 1) - 1, { centre: 0, extent: 1 }, dark);
    });
    table = {
      pixels: Uint32Array.from(colours, ([red, green, blue]) => {
        return (0xff_00_00_00 | (blue << 16) | (green << 8) | red) >>> 0;
      }),
      css: colours.map(css),
      inks: colours.map(textOn),
    };
    tables.set(dark, table);
  }
  return table;
}

/** Where the colour of a value stands in the table; NaN, where nothing stands, for what is no number. */
export function colourIndex(value: number, { centre, extent }: DivergingScale): number {
  const top = count - 1;
  const place = Math.round(((value - centre) / (2 * extent) + 0.5) * top);
  return place < 0 ? 0 : place > top ? top : place;
}

/**
 * Writes one pixel for each cell of a layer. The browser enlarges them without smoothing, so that the cost of a
 * redraw does not depend on the size on screen.
 */
export function paintCells(
  pixels: Uint32Array,
  rows: readonly (readonly number[])[],
  scale: DivergingScale,
  dark: boolean,
): void {
  const table = scaleColours(dark).pixels;
  let at = 0;
  for (const row of rows)
    for (const value of row) pixels[at++] = table[colourIndex(value, scale)] ?? 0;
}
