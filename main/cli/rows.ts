import { displayWidth, padEnd } from './terminal.ts';

/** Names and values in two columns. Values are not broken, so that a path can be copied. */
export function renderRows(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => displayWidth(name)));
  return rows.map(([name, value]) => `${padEnd(name, width)}  ${value}`).join('\n');
}
