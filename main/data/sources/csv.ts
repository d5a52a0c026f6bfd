/** Lists of images: text tables with a header, a column of paths and, where there are labels, one of classes. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, relative, resolve } from 'node:path';
import { AppError } from '../../lib/errors.ts';
import { emptySource, unreadableSource } from './errors.ts';
import { storedFiles } from './image-folder.ts';
import type { ImageSource } from './source.ts';

const pathColumns = ['path', 'file', 'filename', 'file_name', 'image', 'image_path', 'filepath'];
const labelColumns = ['label', 'class', 'class_name', 'classid', 'class_id', 'category', 'target'];
const delimiters = [',', ';', '\t'] as const;

/** Throws `data.unreadable`, `data.csv_invalid` or `data.empty`. */
export async function readImageList(path: string): Promise<ImageSource> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if (cause instanceof TypeError) throw invalid(path, 'it is not UTF-8 text');
    throw unreadableSource(path, cause);
  }
  const { paths, classes } = parseImageList(text, path);
  const folder = dirname(path);
  const located = paths.map((each) => (isAbsolute(each) ? relative(folder, each) : each));
  return {
    kind: 'list of images',
    title: basename(path, extname(path)),
    count: paths.length,
    ...(classes === undefined ? { classNames: [], labels: undefined } : labelsOf(classes, path)),
    images: () => storedFiles(resolve(folder), located),
  };
}

export interface ImageList {
  readonly paths: readonly string[];
  /** Of each image, as written. */
  readonly classes: readonly string[] | undefined;
}

/** Throws `data.csv_invalid` or `data.empty`. */
export function parseImageList(text: string, where: string): ImageList {
  const header = text.slice(0, /[\r\n]|$/.exec(text)?.index);
  const delimiter = delimiters.find((each) => header.includes(each)) ?? ',';
  const [names = [], ...rows] = parseTable(text.replace(/^\ufeff/, ''), delimiter, where);
  const columnOf = (known: readonly string[]) =>
    names.findIndex((name) => known.includes(name.trim().toLowerCase()));
  const pathColumn = columnOf(pathColumns);
  const labelColumn = columnOf(labelColumns);
  if (pathColumn === -1) {
    throw invalid(where, `its first line names no column of paths (it has: ${names.join(', ')})`);
  }
  const odd = rows.findIndex((row) => row.length !== names.length);
  if (odd !== -1) {
    const fields = rows[odd]?.length ?? 0;
    throw invalid(where, `row ${odd + 2} has ${fields} fields, the header has ${names.length}`);
  }
  const cells = (column: number, what: string) =>
    rows.map((row, i) => {
      const cell = row[column]?.trim() ?? '';
      if (cell === '' || cell.includes('\0')) throw invalid(where, `row ${i + 2} has no ${what}`);
      return cell;
    });
  const paths = cells(pathColumn, 'path');
  if (paths.length === 0) throw emptySource(where, 'list at least one image below the header');
  return { paths, classes: labelColumn === -1 ? undefined : cells(labelColumn, 'label') };
}

/** RFC 4180: fields may be quoted, quotes in them doubled. Empty lines are left out. */
function parseTable(text: string, delimiter: string, where: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (let at = 0; at < text.length;) {
    const { field, end } = text[at] === '"' ? quoted(text, at, where) : bare(text, at, delimiter);
    row.push(field);
    const next = text[end];
    if (next === delimiter) {
      at = end + 1;
      if (at === text.length) row.push('');
    } else if (next === undefined || next === '\n' || next === '\r') {
      at = end + (text.startsWith('\r\n', end) ? 2 : 1);
      if (row.length > 1 || row[0] !== '') rows.push(row);
      row = [];
    } else {
      throw invalid(where, `row ${rows.length + 1} goes on after a closing quote`);
    }
  }
  if (row.length > 0) rows.push(row);
  return rows;
}

function bare(text: string, at: number, delimiter: string): { field: string; end: number } {
  let end = at;
  while (end < text.length && text[end] !== delimiter && text[end] !== '\n' && text[end] !== '\r') {
    end++;
  }
  return { field: text.slice(at, end), end };
}

function quoted(text: string, at: number, where: string): { field: string; end: number } {
  const parts: string[] = [];
  for (let from = at + 1; ;) {
    const close = text.indexOf('"', from);
    if (close === -1) throw invalid(where, 'a quote is opened and never closed');
    parts.push(text.slice(from, close));
    if (text[close + 1] !== '"') return { field: parts.join('"'), end: close + 1 };
    from = close + 2;
  }
}

/** Whole numbers are class indices; anything else names classes, in plain order. */
function labelsOf(classes: readonly string[], where: string) {
  if (classes.every((name) => /^\d{1,6}$/.test(name))) {
    const labels = Int32Array.from(classes, Number);
    const count = labels.reduce((most, label) => Math.max(most, label), 0) + 1;
    if (count > 100_000)
      throw invalid(where, `a label is ${count - 1}; labels count classes from 0`);
    return { classNames: Array.from({ length: count }, (_, i) => String(i)), labels };
  }
  const classNames = [...new Set(classes)].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const indices = new Map(classNames.map((name, i) => [name, i]));
  return { classNames, labels: Int32Array.from(classes, (name) => indices.get(name) ?? 0) };
}

function invalid(where: string, what: string): AppError {
  return new AppError('data.csv_invalid', {
    what: `the list of images cannot be understood: ${what}`,
    where,
    hint: 'write a header with the columns path and label, and a row for each image',
  });
}
