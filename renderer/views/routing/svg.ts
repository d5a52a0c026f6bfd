/** A figure as an SVG file that stands alone. */
import type { Figure, Rectangle, Text } from './figure.ts';

const font = 'Arial, Helvetica, Liberation Sans, DejaVu Sans, sans-serif';

/** Characters that XML 1.0 does not allow at all are left out. */
function escape(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function rectangle({ x, y, width, height, fill }: Rectangle): string {
  return `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" fill="${hex(fill)}"/>`;
}

/** "rgb(1 2 3)" in the notation that every reader of SVG knows. */
function hex(colour: string): string {
  const parts = /^rgb\((\d+) (\d+) (\d+)\)$/.exec(colour)?.slice(1);
  if (parts === undefined) return colour;
  return `#${parts.map((part) => Number(part).toString(16).padStart(2, '0')).join('')}`;
}

function text({ x, y, text, size, fill, anchor, bold, turn }: Text): string {
  const attributes = [
    `x="${number(x)}"`,
    `y="${number(y)}"`,
    `font-size="${number(size)}"`,
    `fill="${hex(fill)}"`,
    ...(anchor === 'start' ? [] : [`text-anchor="${anchor}"`]),
    ...(bold ? ['font-weight="700"'] : []),
    ...(turn === 0 ? [] : [`transform="rotate(${number(turn)} ${number(x)} ${number(y)})"`]),
  ];
  return `<text ${attributes.join(' ')}>${escape(text)}</text>`;
}

/** The text of the file. */
export function toSvg({ width, height, title, description, shapes }: Figure): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${font}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<desc>${escape(description)}</desc>`,
    ...shapes.map((shape) => (shape.kind === 'text' ? text(shape) : rectangle(shape))),
    '</svg>',
    '',
  ].join('\n');
}
