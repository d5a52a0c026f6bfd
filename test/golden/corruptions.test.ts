/** The corruptions against NumPy, SciPy, scikit-image, OpenCV and Pillow (corruptions.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { corruptions } from '../../main/data/corruptions/corruptions.ts';
import type { ImageNoise } from '../../main/data/corruptions/noise.ts';

interface Golden {
  readonly size: number;
  /** RGB bytes in base64. */
  readonly picture: string;
  readonly cases: readonly {
    readonly kind: string;
    readonly severity: number;
    readonly pixels: string;
  }[];
}

const file = new URL('corruptions/corruptions.json', import.meta.url);
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

/** The generator of corruptions.py. */
function congruential(seed: number): ImageNoise {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    uniforms: (count) => Float64Array.from({ length: count }, uniform),
    normals: (count) =>
      Float64Array.from({ length: count }, () => {
        let sum = 0;
        for (let i = 0; i < 12; i++) sum += uniform();
        return sum - 6;
      }),
  };
}

async function corrupted(kind: string, severity: number): Promise<Uint8Array> {
  const corruption = corruptions.find(({ id }) => id === kind)!;
  const image = { size: golden.size, pixels: bytes(golden.picture) };
  const constant = corruption.constants.cifar[severity - 1];
  return corruption.apply(image, constant, { scale: 1, noise: congruential(severity) });
}

const sure = golden.cases.filter(({ kind }) => kind !== 'jpeg_compression');

test('every corruption has golden values', () => {
  const kinds = new Set(golden.cases.map(({ kind }) => kind));
  expect([...kinds].sort()).toEqual(corruptions.map(({ id }) => id).sort());
});

describe('byte for byte', () => {
  test.each(sure)('$kind $severity', async ({ kind, severity, pixels }) => {
    const [found, wanted] = [await corrupted(kind, severity), bytes(pixels)];
    expect(found.length).toBe(wanted.length);
    let different = 0;
    let largest = 0;
    found.forEach((value, i) => {
      const distance = Math.abs(value - wanted[i]!);
      if (distance > 0) different++;
      largest = Math.max(largest, distance);
    });
    expect({ different, largest }).toEqual({ different: 0, largest: 0 });
    expect(found).not.toEqual(bytes(golden.picture));
  });
});

// Two builds of libjpeg-turbo may differ by rounding in the inverse transforms.
test.each(golden.cases.filter(({ kind }) => kind === 'jpeg_compression'))(
  'JPEG of severity $severity is within 2 of Pillow’s',
  async ({ kind, severity, pixels }) => {
    const [found, wanted, clean] = [
      await corrupted(kind, severity),
      bytes(pixels),
      bytes(golden.picture),
    ];
    const distance = (other: Uint8Array) =>
      found.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
    expect(distance(wanted)).toBeLessThanOrEqual(2);
    expect(distance(clean)).toBeGreaterThan(20);
  },
);
