/** A curve in one line of text. */
const levels = '▁▂▃▄▅▆▇█';

/**
 * The finite `values` as blocks, low to high, at most `width` of them; neighbours are averaged where
 * there are more.
 */
export function sparkline(values: readonly number[], width: number): string {
  const finite = values.filter(Number.isFinite);
  const count = Math.min(Math.max(1, width), finite.length);
  const points = Array.from({ length: count }, (_, index) => {
    const start = Math.floor((index * finite.length) / count);
    const end = Math.floor(((index + 1) * finite.length) / count);
    return finite.slice(start, end).reduce((sum, value) => sum + value, 0) / (end - start);
  });
  const low = points.reduce((a, b) => Math.min(a, b), Infinity);
  const high = points.reduce((a, b) => Math.max(a, b), -Infinity);
  return points
    .map((value) => {
      // Of a curve that does not move only its being flat is worth showing.
      const share = high > low ? (value - low) / (high - low) : 0.5;
      return levels[Math.min(7, Math.floor(share * 8))] ?? '';
    })
    .join('');
}

/** `loss 4.41 █▆▃▂▁▁ 0.75`: the first value, the curve, the last one; at most `width` columns. */
export function renderCurve(label: string, values: readonly number[], width: number): string {
  const finite = values.filter(Number.isFinite);
  const [first, last] = [finite[0], finite.at(-1)];
  if (first === undefined || last === undefined) return `${label} –`;
  const [before, after] = [`${label} ${number(first)} `, ` ${number(last)}`];
  return before + sparkline(finite, Math.min(60, width - before.length - after.length)) + after;
}

function number(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toExponential(2) : value.toFixed(3);
}
