/**
 * Reads what the demo needs from a TrueType/OpenType file: family and style names and the set of
 * characters it maps to a glyph. Returns undefined for other files and damaged tables.
 */
import { closeSync, openSync, readSync } from 'node:fs';

export type FontFacts = { family: string; style: string; weight: number; covers: Set<number> };

function readAt(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const got = readSync(file, bytes, 0, length, offset);
  return bytes.subarray(0, got);
}

/** Family, typographic family, style names by name id; Windows English first, then Macintosh. */
function readNames(table: Buffer): Map<number, string> {
  const names = new Map<number, string>();
  const count = table.readUInt16BE(2);
  const storage = table.readUInt16BE(4);
  for (let i = 0; i < count; i += 1) {
    const at = 6 + i * 12;
    const platform = table.readUInt16BE(at);
    const language = table.readUInt16BE(at + 4);
    const id = table.readUInt16BE(at + 6);
    const length = table.readUInt16BE(at + 8);
    const start = storage + table.readUInt16BE(at + 10);
    if (id > 17) continue;
    const raw = table.subarray(start, start + length);
    if (platform === 3 && language === 0x409) {
      names.set(
        id,
        Buffer.from(raw.subarray(0, raw.length & ~1))
          .swap16()
          .toString('utf16le'),
      );
    } else if (platform === 1 && language === 0 && !names.has(id)) {
      names.set(id, raw.toString('latin1'));
    }
  }
  return names;
}

function readFormat4(table: Buffer, at: number, out: Set<number>): void {
  const segments = table.readUInt16BE(at + 6) / 2;
  const ends = at + 14;
  const starts = ends + segments * 2 + 2;
  const deltas = starts + segments * 2;
  const ranges = deltas + segments * 2;
  for (let s = 0; s < segments; s += 1) {
    const end = table.readUInt16BE(ends + s * 2);
    const start = table.readUInt16BE(starts + s * 2);
    const delta = table.readUInt16BE(deltas + s * 2);
    const range = table.readUInt16BE(ranges + s * 2);
    for (let code = start; code <= end && code < 0xffff; code += 1) {
      let glyph = code;
      if (range !== 0) {
        const where = ranges + s * 2 + range + (code - start) * 2;
        glyph = where + 2 <= table.length ? table.readUInt16BE(where) : 0;
        if (glyph === 0) continue;
      }
      if (((glyph + delta) & 0xffff) !== 0) out.add(code);
    }
  }
}

function readFormat12(table: Buffer, at: number, out: Set<number>): void {
  const groups = table.readUInt32BE(at + 12);
  for (let g = 0; g < groups; g += 1) {
    const where = at + 16 + g * 12;
    const start = table.readUInt32BE(where);
    const end = Math.min(table.readUInt32BE(where + 4), start + 0xffff);
    for (let code = start; code <= end; code += 1) out.add(code);
  }
}

function readCmap(table: Buffer): Set<number> {
  const out = new Set<number>();
  const count = table.readUInt16BE(2);
  for (let i = 0; i < count; i += 1) {
    const platform = table.readUInt16BE(4 + i * 8);
    const encoding = table.readUInt16BE(6 + i * 8);
    const unicode = platform === 0 || (platform === 3 && (encoding === 1 || encoding === 10));
    if (!unicode) continue;
    const at = table.readUInt32BE(8 + i * 8);
    const format = table.readUInt16BE(at);
    if (format === 4) readFormat4(table, at, out);
    else if (format === 12) readFormat12(table, at, out);
  }
  return out;
}

export function readFontFacts(path: string): FontFacts | undefined {
  const file = openSync(path, 'r');
  try {
    const head = readAt(file, 0, 12);
    const tag = head.toString('latin1', 0, 4);
    if (tag !== 'OTTO' && tag !== 'true' && head.readUInt32BE(0) !== 0x00010000) return undefined;
    const count = head.readUInt16BE(4);
    const directory = readAt(file, 12, count * 16);
    const tables = new Map<string, Buffer>();
    for (let i = 0; i < count; i += 1) {
      const name = directory.toString('latin1', i * 16, i * 16 + 4);
      if (name !== 'name' && name !== 'cmap' && name !== 'OS/2') continue;
      const offset = directory.readUInt32BE(i * 16 + 8);
      tables.set(name, readAt(file, offset, directory.readUInt32BE(i * 16 + 12)));
    }
    const cmap = tables.get('cmap');
    const nameTable = tables.get('name');
    if (cmap === undefined || nameTable === undefined) return undefined;
    const names = readNames(nameTable);
    const family = names.get(16) ?? names.get(1);
    if (family === undefined || family.trim() === '') return undefined;
    return {
      family: family.trim(),
      style: (names.get(17) ?? names.get(2) ?? 'Regular').trim(),
      weight: tables.get('OS/2')?.readUInt16BE(4) ?? 400,
      covers: readCmap(cmap),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  } finally {
    closeSync(file);
  }
}
