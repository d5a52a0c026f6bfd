/** Sums of the inputs with a factor for each, computed in fp64 and rounded once. */
import { BLOCK, forEachBlock } from '../blocks.ts';
import type { Group } from '../method.ts';
import { addScaled, addScaledDifference, writeChanged, writeScaled } from './arithmetic.ts';

/** Σ ck θk, plus c0 θ0 where a factor of the base is given; from `begin` to `end` of the group. */
function writeCombination(
  target: Float32Array,
  { base, experts }: Group,
  factors: readonly number[],
  baseFactor: number,
  range: { readonly begin: number; readonly end: number },
): void {
  const sum = new Float64Array(Math.min(BLOCK, range.end - range.begin));
  forEachBlock(range.end - range.begin, (from, to) => {
    const [begin, end] = [range.begin + from, range.begin + to];
    sum.fill(0);
    if (baseFactor !== 0) addScaled(sum, base, baseFactor, begin, end);
    for (const [k, expert] of experts.entries()) addScaled(sum, expert, factors[k]!, begin, end);
    writeScaled(target, sum, 1, 1, begin, end);
  });
}

/** θ0 + Σ ck (θk − θ0), from `begin` to `end` of the group. */
export function writeChange(
  target: Float32Array,
  { base, experts }: Group,
  factors: readonly number[],
  range: { readonly begin: number; readonly end: number },
): void {
  const sum = new Float64Array(Math.min(BLOCK, range.end - range.begin));
  forEachBlock(range.end - range.begin, (from, to) => {
    const [begin, end] = [range.begin + from, range.begin + to];
    sum.fill(0);
    for (const [k, expert] of experts.entries()) {
      addScaledDifference(sum, expert, base, factors[k]!, begin, end);
    }
    writeChanged(target, base, sum, 1, 1, begin, end);
  });
}

/** The same for a whole group. */
export function changed(group: Group, factors: readonly number[]): Float32Array {
  const merged = new Float32Array(group.base.length);
  writeChange(merged, group, factors, { begin: 0, end: merged.length });
  return merged;
}

export function combined(
  group: Group,
  factors: readonly number[],
  baseFactor: number,
): Float32Array {
  const merged = new Float32Array(group.base.length);
  writeCombination(merged, group, factors, baseFactor, { begin: 0, end: merged.length });
  return merged;
}
