/** Edit distance with neighbouring letters swapped counted as one edit. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let distance = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) distance = Math.min(distance, (beforePrevious[column - 2] ?? 0) + 1);
      current.push(distance);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

const plain = (text: string): string => text.toLowerCase().replace(/[-_ ]/g, '');

/**
 * The known word that `word` was most likely meant to be; undefined when none is near. Case, `-` and
 * `_` do not count, and a word cut short finds the word it begins.
 */
export function closest(word: string, known: readonly string[]): string | undefined {
  const sought = plain(word).slice(0, 64);
  let best: { word: string; distance: number } | undefined;
  for (const candidate of known) {
    const target = plain(candidate);
    const begins = sought.length >= 3 && (target.startsWith(sought) || sought.startsWith(target));
    const distance = begins ? 1 : editDistance(sought, target);
    if (distance > Math.max(1, Math.floor(Math.max(target.length, sought.length) / 3))) continue;
    if (best === undefined || distance < best.distance) best = { word: candidate, distance };
  }
  return best?.word;
}
