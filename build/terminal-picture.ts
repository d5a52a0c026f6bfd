/**
 * Draws coloured terminal output as an SVG picture, for the documentation:
 *
 *   FORCE_COLOR=3 COLUMNS=150 node dist/cli.js … | npx tsx build/terminal-picture.ts docs/picture.svg
 */
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const cell = { width: 8.4, height: 18, font: 14, margin: 16 };
const ink = '#d8dee9';
const paper = '#1b1f27';
const named: Record<number, string> = {
  31: '#e06c75',
  32: '#98c379',
  33: '#e5c07b',
  36: '#56b6c2',
};

interface Style {
  fill: string;
  back: string | undefined;
  bold: boolean;
  dim: boolean;
}

/** Applies one SGR sequence (the numbers between ESC[ and m). */
function applyCodes(style: Style, codes: readonly number[]): Style {
  const next = { ...style };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) Object.assign(next, { fill: ink, back: undefined, bold: false, dim: false });
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 22) Object.assign(next, { bold: false, dim: false });
    else if (code === 39) next.fill = ink;
    else if (code === 49) next.back = undefined;
    else if ((code === 38 || code === 48) && codes[i + 1] === 2) {
      const colour = `rgb(${codes.slice(i + 2, i + 5).join(',')})`;
      if (code === 38) next.fill = colour;
      else next.back = colour;
      i += 4;
    } else next.fill = named[code] ?? next.fill;
  }
  return next;
}

function escape(value: string): string {
  return value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function drawLine(line: string, row: number): string {
  const y = cell.margin + row * cell.height;
  let style: Style = { fill: ink, back: undefined, bold: false, dim: false };
  let column = 0;
  const shapes: string[] = [];
  for (const [, codes, content] of line.matchAll(/\x1b\[([\d;]*)m|([^\x1b]+)/g)) {
    if (content === undefined) {
      style = applyCodes(style, (codes ?? '0').split(';').map(Number));
      continue;
    }
    const x = cell.margin + column * cell.width;
    const length = [...content].length;
    const width = length * cell.width;
    if (style.back !== undefined) {
      shapes.push(
        `<rect x="${x.toFixed(1)}" y="${String(y)}" width="${width.toFixed(1)}" height="${String(cell.height)}" fill="${style.back}"/>`,
      );
    }
    if (content.trim() !== '') {
      const weight = style.bold ? ' font-weight="700"' : '';
      const opacity = style.dim ? ' opacity="0.6"' : '';
      shapes.push(
        `<text x="${x.toFixed(1)}" y="${String(y + 13.5)}" textLength="${width.toFixed(1)}" lengthAdjust="spacingAndGlyphs" fill="${style.fill}"${weight}${opacity}>${escape(content)}</text>`,
      );
    }
    column += length;
  }
  return shapes.join('');
}

const [target = 'terminal.svg'] = process.argv.slice(2);
const lines = (await text(process.stdin)).trimEnd().split('\n');
const longest = Math.max(...lines.map((line) => [...line.replace(/\x1b\[[\d;]*m/g, '')].length));
const width = Math.ceil(2 * cell.margin + longest * cell.width);
const height = 2 * cell.margin + lines.length * cell.height;
writeFileSync(
  target,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" viewBox="0 0 ${String(width)} ${String(height)}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${String(cell.font)}" xml:space="preserve"><rect width="100%" height="100%" rx="8" fill="${paper}"/>${lines.map(drawLine).join('')}</svg>\n`,
);
