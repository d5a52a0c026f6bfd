/** Spatter: drops of water on the lens, and mud at high severities. */
import { cannyEdges } from './canny.ts';
import { defineCorruption, type RgbImage } from './corruption.ts';
import { boxFilter, chamferDistance, equalise, filter3x3, gaussianFilter } from './filters.ts';

interface SpatterConstant {
  /** Of the noise that the liquid is made of. */
  readonly mean: number;
  readonly deviation: number;
  /** Blur of that noise, in pixels: the size of drops. */
  readonly sigma: number;
  /** Noise below it is dry. */
  readonly level: number;
  readonly liquid:
    | { readonly kind: 'water'; readonly strength: number }
    | { readonly kind: 'mud'; readonly blur: number };
}

type Place = readonly [mean: number, deviation: number, sigma: number, level: number];
const water = (strength: number, ...[mean, deviation, sigma, level]: Place): SpatterConstant => ({
  mean,
  deviation,
  sigma,
  level,
  liquid: { kind: 'water', strength },
});
const mud = (blur: number, ...[mean, deviation, sigma, level]: Place): SpatterConstant => ({
  mean,
  deviation,
  sigma,
  level,
  liquid: { kind: 'mud', blur },
});

/** fp32, as the published generator computes. */
const f = Math.fround;
const turquoise = [175 / 255, 238 / 255, 238 / 255].map(f);
const brown = [63 / 255, 42 / 255, 20 / 255].map(f);

export const spatter = defineCorruption<SpatterConstant>({
  id: 'spatter',
  title: 'Spatter',
  summary: 'Drops of water, or of mud from severity 4 on, cover parts of the picture.',
  constants: {
    cifar: [
      water(0.5, 0.62, 0.1, 0.7, 0.7),
      water(0.5, 0.65, 0.1, 0.8, 0.7),
      water(0.5, 0.65, 0.3, 1, 0.69),
      mud(0.6, 0.65, 0.1, 0.7, 0.69),
      mud(0.6, 0.65, 0.1, 0.5, 0.68),
    ],
    imagenet: [
      water(0.6, 0.65, 0.3, 4, 0.69),
      water(0.6, 0.65, 0.3, 3, 0.68),
      water(0.5, 0.65, 0.3, 2, 0.68),
      mud(1.5, 0.65, 0.3, 1, 0.65),
      mud(1.5, 0.67, 0.4, 1, 0.65),
    ],
  },
  apply: (image, { mean, deviation, sigma, level, liquid }, { scale, noise }) => {
    const { size } = image;
    const normals = noise.normals(size ** 2).map((normal) => mean + deviation * normal);
    const layer = gaussianFilter(normals, size, sigma * scale);
    const wet = layer.map((value) => (value < level ? 0 : value));
    return liquid.kind === 'water'
      ? addWater(image, wet, liquid.strength, scale)
      : addMud(image, wet, level, liquid.blur * scale);
  },
});

/** Brightens where there is water, most away from the edges of drops. */
function addWater(
  { size, pixels }: RgbImage,
  wet: Float64Array,
  strength: number,
  scale: number,
): Uint8Array {
  const drops = Uint8Array.from(wet, (value) => Math.min(255, Math.trunc(value * 255)));
  const edges = cannyEdges(drops, size, { low: 50, high: 150 });
  const far = 20 * scale;
  const distance = chamferDistance(edges, size).map((length) => f(Math.min(far, length)));
  const even = equalise(Uint8Array.from(boxFilter(distance, size), (mean) => Math.trunc(f(mean))));
  const relief = Uint8Array.from(filter3x3(even, size, [-2, -1, 0, -1, 1, 1, 0, 1, 2]), (sum) =>
    Math.min(255, Math.max(0, sum)),
  );
  const soft = Uint8Array.from(boxFilter(relief, size), (mean) => Math.round(mean));
  const mask = Float64Array.from(drops, (drop, i) => drop * (soft[i] ?? 0));
  const largest = mask.reduce((most, value) => Math.max(most, value), 0);
  // No drop: the generator would divide by 0.
  if (largest === 0) return pixels;
  return pixels.map((value, i) => {
    const share = f(f((mask[Math.floor(i / 3)] ?? 0) / largest) * strength);
    return toByte32(f(f(value / 255) + f(share * (turquoise[i % 3] ?? 0))));
  });
}

/** Covers what is wet with brown, with soft edges. */
function addMud(
  { size, pixels }: RgbImage,
  wet: Float64Array,
  level: number,
  blur: number,
): Uint8Array {
  const cover = gaussianFilter(
    wet.map((value) => (value > level ? 1 : 0)),
    size,
    blur,
    f,
  );
  return pixels.map((value, i) => {
    const blurred = cover[Math.floor(i / 3)] ?? 0;
    const share = blurred < 0.8 ? 0 : blurred;
    const rest = f(f(value / 255) * f(1 - share));
    return toByte32(f(rest + f((brown[i % 3] ?? 0) * share)));
  });
}

/** `toByte` in fp32. */
function toByte32(channel: number): number {
  return Math.trunc(f(Math.min(1, Math.max(0, channel)) * 255));
}
