import type { LabelledSet } from '../../main/data/labelled.ts';

/**
 * Indices of a training set to train on, and to hold out: about a fifth, whole groups (fonts, artists,
 * scenes, …) on one side. The choice is a hash of the group's number.
 */
export function splitByGroup(set: LabelledSet): [trained: number[], held: number[]] {
  const isHeld = (index: number) => {
    const group = set.groups?.[index] ?? index;
    return (Math.imul(group + 1, 0x9e3779b1) >>> 16) % 5 === 4;
  };
  const all = Array.from(set.labels, (_, index) => index);
  return [all.filter((index) => !isHeld(index)), all.filter(isHeld)];
}
