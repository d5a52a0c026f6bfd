/**
 * Colours that carry meaning. The palette of tasks was found by a search for twelve colours that are far apart both with
 * usual sight and with every kind of colour blindness, the first eight most of all, and that keep 3:1 against the
 * theme's surfaces; the unit tests hold it to that.
 */

export type Rgb = readonly [red: number, green: number, blue: number];

/** Colours of tasks, by theme; the same place is about the same hue in both. */
export const taskPalette = {
  light: [
    '#1362d0',
    '#ae1c00',
    '#066146',
    '#7a8400',
    '#591799',
    '#a14392',
    '#957ff8',
    '#651335',
    '#10979c',
    '#0d3964',
    '#e562ba',
    '#b37269',
  ],
  dark: [
    '#4677af',
    '#9b6744',
    '#4fa788',
    '#e9ef4b',
    '#cdc4fe',
    '#f97ddb',
    '#9e75f6',
    '#fe665e',
    '#87f9ec',
    '#43b5fe',
    '#c83a81',
    '#fdbc92',
  ],
} as const;

/** The colour of the task at `index`; further tasks begin again. */
export function taskColourAt(index: number, dark: boolean): string {
  const palette = dark ? taskPalette.dark : taskPalette.light;
  return palette[index % palette.length] ?? palette[0];
}

type Stops = readonly Rgb[];

/** Blue – neutral – orange: separable with every kind of colour blindness, and by lightness alone on each side. */
const divergingStops: { light: Stops; dark: Stops } = {
  light: [
    [14, 61, 120],
    [47, 111, 179],
    [122, 171, 217],
    [196, 217, 236],
    [246, 246, 246],
    [250, 219, 184],
    [236, 164, 97],
    [201, 104, 28],
    [128, 57, 5],
  ],
  dark: [
    [168, 213, 255],
    [94, 166, 232],
    [48, 110, 172],
    [37, 66, 101],
    [42, 46, 54],
    [104, 68, 36],
    [174, 106, 42],
    [236, 153, 72],
    [255, 214, 166],
  ],
};

const sequentialStops: { light: Stops; dark: Stops } = {
  light: [
    [246, 247, 249],
    [205, 219, 240],
    [143, 176, 222],
    [78, 126, 195],
    [26, 70, 140],
  ],
  dark: [
    [36, 41, 50],
    [39, 66, 104],
    [50, 102, 163],
    [98, 155, 219],
    [182, 215, 252],
  ],
};

function interpolate(stops: Stops, place: number): Rgb {
  const scaled = Math.min(1, Math.max(0, place)) * (stops.length - 1);
  const left = Math.min(stops.length - 2, Math.floor(scaled));
  const a = stops[left]!;
  const b = stops[left + 1]!;
  const t = scaled - left;
  return [
    Math.round(a[0] + (b[0] - a[0]) * t),
    Math.round(a[1] + (b[1] - a[1]) * t),
    Math.round(a[2] + (b[2] - a[2]) * t),
  ];
}

export interface DivergingScale {
  /** The value that gets the neutral colour. */
  readonly centre: number;
  /** The distance from the centre at which the colours end; further values are clamped. */
  readonly extent: number;
}

/** The scale centred on `centre` that reaches the furthest of `values`. */
export function divergingScale(values: Iterable<number>, centre: number): DivergingScale {
  let extent = 0;
  for (const value of values) {
    if (Number.isFinite(value)) extent = Math.max(extent, Math.abs(value - centre));
  }
  return { centre, extent: extent === 0 ? 1 : extent };
}

/** The colour of a value on a diverging scale. */
export function diverging(value: number, scale: DivergingScale, dark: boolean): Rgb {
  const place = 0.5 + (value - scale.centre) / (2 * scale.extent);
  return interpolate(dark ? divergingStops.dark : divergingStops.light, place);
}

/** The colour of a share between 0 and 1. */
export function sequential(share: number, dark: boolean): Rgb {
  return interpolate(dark ? sequentialStops.dark : sequentialStops.light, share);
}

/** As CSS writes it. */
export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** "#2f6fb3" as numbers. */
export function parseHex(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Relative luminance as WCAG defines it. */
function luminance(colour: Rgb): number {
  const [red = 0, green = 0, blue = 0] = colour.map((channel) => {
    const c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Contrast as WCAG defines it, from 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** Pure black: with anything lighter, there are colours on which neither of the two keeps 4.5:1. */
const ink: Rgb = [0, 0, 0];
const paper: Rgb = [255, 255, 255];

/** Black or white, whichever reads better on `background`. */
export function textOn(background: Rgb): string {
  return css(contrast(background, ink) >= contrast(background, paper) ? ink : paper);
}
