/** Colours with a meaning: told apart with every kind of colour blindness, and visible on the surfaces. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  contrast,
  css,
  diverging,
  divergingScale,
  parseHex,
  sequential,
  taskColourAt,
  taskPalette,
  textOn,
  type Rgb,
} from '../../../renderer/lib/colours.ts';

type Matrix = readonly (readonly [number, number, number])[];

/** Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB. */
const sights: Readonly<Record<string, Matrix>> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const linear = (channel: number): number => {
  const c = channel / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
};

/** Björn Ottosson's OKLab, in which distances are about as large as they look. */
function oklab(colour: Rgb, sight: Matrix): [number, number, number] {
  const rgb = colour.map(linear);
  const [r = 0, g = 0, b = 0] = sight.map((row) => {
    const sum = row.reduce((total, weight, index) => total + weight * (rgb[index] ?? 0), 0);
    return Math.min(1, Math.max(0, sum));
  });
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function distance(a: Rgb, b: Rgb, sight: Matrix): number {
  const [one, other] = [oklab(a, sight), oklab(b, sight)];
  return 100 * Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);
}

function smallest(palette: readonly Rgb[], sight: Matrix): number {
  let least = Number.POSITIVE_INFINITY;
  palette.forEach((a, index) => {
    for (const b of palette.slice(0, index)) least = Math.min(least, distance(a, b, sight));
  });
  return least;
}

const tokens = readFileSync('renderer/styles/tokens.css', 'utf8');
const [lightTokens = '', darkTokens = ''] = tokens.split('@media (prefers-color-scheme: dark)');

function token(name: string, theme: 'light' | 'dark'): Rgb {
  const value = new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(
    theme === 'light' ? lightTokens : darkTokens,
  )?.[1];
  if (value === undefined) throw new Error(`no --${name} for ${theme}`);
  return parseHex(value);
}

describe.each(['light', 'dark'] as const)('the %s palette of tasks', (theme) => {
  const palette = taskPalette[theme].map(parseHex);

  it.each(Object.entries(sights))('keeps twelve colours apart with %s sight', (name, sight) => {
    expect(smallest(palette.slice(0, 8), sight)).toBeGreaterThan(name === 'usual' ? 14 : 6);
    expect(smallest(palette, sight)).toBeGreaterThan(name === 'usual' ? 10 : 5);
  });

  it('is visible on the surfaces', () => {
    for (const colour of palette) {
      expect(contrast(colour, token('surface', theme))).toBeGreaterThanOrEqual(3);
    }
  });
});

describe.each(['light', 'dark'] as const)('text in the %s theme', (theme) => {
  const pairs: [text: string, surface: string][] = [
    ...['text', 'text-2', 'text-3', 'accent-text', 'danger', 'good', 'warning'].flatMap((text) =>
      ['app', 'surface', 'surface-2'].map((surface): [string, string] => [text, surface]),
    ),
    ['text-2', 'surface-3'],
    ['text-2', 'sidebar'],
    ['accent-text', 'accent-quiet'],
    ['accent-text', 'accent-quiet-2'],
    ['good', 'good-quiet'],
    ['warning', 'warning-quiet'],
    ['danger', 'danger-quiet'],
    ['on-accent', 'accent'],
    ['on-accent', 'accent-hover'],
    ['on-danger', 'danger'],
  ];
  it.each(pairs)('%s on %s meets AA', (text, surface) => {
    expect(contrast(token(text, theme), token(surface, theme))).toBeGreaterThanOrEqual(4.5);
  });

  it('bounds controls with 3:1', () => {
    expect(contrast(token('border-strong', theme), token('surface', theme))).toBeGreaterThanOrEqual(
      3,
    );
  });
});

describe('scales', () => {
  it('centre on the value and reach the furthest', () => {
    const scale = divergingScale([0.1, 0.3, 0.9, Number.NaN], 0.3);
    expect(scale).toEqual({ centre: 0.3, extent: 0.9 - 0.3 });
    expect(divergingScale([0.3, 0.3], 0.3).extent).toBe(1);
  });

  it.each([false, true])('are neutral in the middle and clamp at the ends (dark: %s)', (dark) => {
    const scale = { centre: 0.3, extent: 0.5 };
    const [red, green, blue] = diverging(0.3, scale, dark);
    expect(Math.max(red, green, blue) - Math.min(red, green, blue)).toBeLessThan(16);
    expect(diverging(9, scale, dark)).toEqual(diverging(0.8, scale, dark));
    expect(diverging(-9, scale, dark)).toEqual(diverging(-0.2, scale, dark));
  });

  it.each(Object.entries(sights))('tell both sides apart with %s sight', (_, sight) => {
    const scale = { centre: 0, extent: 1 };
    for (const dark of [false, true]) {
      for (const value of [0.4, 0.7, 1]) {
        const [low, high] = [diverging(-value, scale, dark), diverging(value, scale, dark)];
        expect(distance(low, high, sight)).toBeGreaterThan(8);
      }
    }
  });

  it('have text that can be read on every colour', () => {
    const readable = (text: string) => parseText(text);
    for (let place = 0; place <= 1; place += 0.02) {
      for (const dark of [false, true]) {
        for (const colour of [
          sequential(place, dark),
          diverging(place, { centre: 0.5, extent: 0.5 }, dark),
        ]) {
          expect(contrast(colour, readable(textOn(colour)))).toBeGreaterThanOrEqual(4.5);
        }
      }
    }
  });

  it('begin again after the last task', () => {
    expect(taskColourAt(12, false)).toBe(taskColourAt(0, false));
    expect(css([1, 2, 3])).toBe('rgb(1 2 3)');
  });
});

function parseText(text: string): Rgb {
  const [red = 0, green = 0, blue = 0] = [...text.matchAll(/\d+/g)].map(Number);
  return [red, green, blue];
}
