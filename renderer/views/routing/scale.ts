/** One colour scale for everything in sight: all layers, all steps, both sources. */
import type { DivergingScale } from '../../lib/colours.ts';
import type { Lambda, Source } from './frames.ts';

/** The furthest any value lies from the centre. */
function reach(lambda: Lambda, centre: number): number {
  let furthest = 0;
  for (const layer of lambda)
    for (const row of layer)
      for (const value of row) {
        if (Number.isFinite(value)) furthest = Math.max(furthest, Math.abs(value - centre));
      }
  return furthest;
}

/** The next number that reads well on a legend. */
function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  // A sum of steps is a little more than it should be, which must not reach the next number.
  const mantissa = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8].find(
    (one) => value <= one * power * (1 + 1e-9),
  );
  return (mantissa ?? 10) * power;
}

/** Centred on λ₀ of the first source; reaches the furthest λ of any layer, step and source. */
export function lambdaScale(sources: readonly Source[]): DivergingScale {
  const centre = sources[0]?.routing.lambda0 ?? 0;
  const furthest = sources.flatMap(({ routing, snapshots }) => [
    reach(routing.mean, centre),
    ...snapshots.mean.map((lambda) => reach(lambda, centre)),
  ]);
  return { centre, extent: roundUp(Math.max(0, ...furthest)) };
}

/** Centred on 0; reaches the largest difference of all frames. */
export function differenceScale(differences: readonly Lambda[]): DivergingScale {
  return { centre: 0, extent: roundUp(Math.max(0, ...differences.map((one) => reach(one, 0)))) };
}

/** The values that the legend names, from low to high. */
export function ticks({ centre, extent }: DivergingScale): number[] {
  return [-1, -0.5, 0, 0.5, 1].map((part) => centre + part * extent);
}
