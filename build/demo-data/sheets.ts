/**
 * Writes a split as lossless WebP sprite sheets (50 columns of 32x32 RGB tiles) with a JSON beside
 * them, and reads such a sheet back. Sheets longer than WebP allows are split in parts.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { TILE, TILE_BYTES, type BuiltSplit } from './types.ts';

const COLUMNS = 50;
const MAX_TILES = COLUMNS * 511;

export type SheetJson = {
  schema: 1;
  task: string;
  title: string;
  split: string;
  classes: string[];
  tile: number;
  columns: number;
  count: number;
  sheets: string[];
  labels: number[];
  synthetic: boolean;
  standsFor?: string;
  description: string;
  sources: BuiltSplit['sources'];
  groups?: number[];
};

/** Lays tiles out row by row on one image. */
function mosaic(
  tiles: readonly Uint8Array[],
  columns: number,
): {
  data: Uint8Array;
  width: number;
  height: number;
} {
  const rows = Math.ceil(tiles.length / columns);
  const width = columns * TILE;
  const height = rows * TILE;
  const data = new Uint8Array(width * height * 3);
  tiles.forEach((tile, index) => {
    const left = (index % columns) * TILE;
    const top = Math.floor(index / columns) * TILE;
    for (let y = 0; y < TILE; y += 1) {
      const row = tile.subarray(y * TILE * 3, (y + 1) * TILE * 3);
      data.set(row, ((top + y) * width + left) * 3);
    }
  });
  return { data, width, height };
}

/** Replaces a file in one step, for readers that are at work meanwhile. */
function replaceFile(path: string, content: Uint8Array | string): void {
  writeFileSync(`${path}.tmp`, content);
  renameSync(`${path}.tmp`, path);
}

/** Writes `<split>*.webp` and `<split>.json` into a folder; returns the bytes written. */
export async function writeSplit(folder: string, built: BuiltSplit): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const parts = Math.ceil(built.pixels.length / MAX_TILES);
  const sheets: string[] = [];
  let bytes = 0;
  for (let part = 0; part < parts; part += 1) {
    const name = parts === 1 ? `${built.split}.webp` : `${built.split}-${part}.webp`;
    const { data, width, height } = mosaic(
      built.pixels.slice(part * MAX_TILES, (part + 1) * MAX_TILES),
      COLUMNS,
    );
    const effort = built.split === 'test' ? 6 : 2;
    const webp = await sharp(data, { raw: { width, height, channels: 3 } })
      .webp({ lossless: true, effort })
      .toBuffer();
    replaceFile(join(folder, name), webp);
    sheets.push(name);
    bytes += webp.length;
  }
  const names = [...new Set(built.groups ?? [])].sort();
  const numbers = new Map(names.map((name, index) => [name, index]));
  const json: SheetJson = {
    schema: 1,
    task: built.id,
    title: built.title,
    split: built.split,
    classes: built.classes,
    tile: TILE,
    columns: COLUMNS,
    count: built.labels.length,
    sheets,
    labels: built.labels,
    synthetic: built.synthetic,
    ...(built.standsFor === undefined ? {} : { standsFor: built.standsFor }),
    description: built.description,
    sources: built.sources,
    ...(built.groups === undefined
      ? {}
      : { groups: built.groups.map((name) => numbers.get(name) ?? -1) }),
  };
  const text = `${compactArrays(JSON.stringify(json, null, 2))}\n`;
  replaceFile(join(folder, `${built.split}.json`), text);
  const ours = new RegExp(`^${built.split}(-\\d+)?\\.webp$`);
  for (const file of readdirSync(folder)) {
    if (ours.test(file) && !sheets.includes(file)) rmSync(join(folder, file));
  }
  return bytes + Buffer.byteLength(text);
}

/** Puts arrays of plain numbers or short texts on one line. */
function compactArrays(text: string): string {
  return text.replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (_, body: string) => {
    return `[${body.replace(/\n\s+/g, ' ')}]`;
  });
}

/** Reads the JSON and the decoded tiles of one split. */
export async function readSplit(
  folder: string,
  split: string,
): Promise<{ json: SheetJson; tiles: Uint8Array[] }> {
  const json = JSON.parse(readFileSync(join(folder, `${split}.json`), 'utf8')) as SheetJson;
  const tiles: Uint8Array[] = [];
  for (const sheet of json.sheets) {
    const { data, info } = await sharp(join(folder, sheet))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const slots = Math.floor(info.width / TILE) * Math.floor(info.height / TILE);
    for (let slot = 0; slot < slots && tiles.length < json.count; slot += 1) {
      const tile = new Uint8Array(TILE_BYTES);
      const left = (slot % json.columns) * TILE;
      const top = Math.floor(slot / json.columns) * TILE;
      for (let y = 0; y < TILE; y += 1) {
        const start = ((top + y) * info.width + left) * 3;
        tile.set(data.subarray(start, start + TILE * 3), y * TILE * 3);
      }
      tiles.push(tile);
    }
  }
  return { json, tiles };
}
