/** Parquet files as the Hugging Face Hub has them: a column of embedded image files and one of labels. */
import { createHash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ImageCache } from '../image-cache.ts';
import { emptySource } from './errors.ts';
import { openTable, parquetInvalid, readColumn, type ParquetTable } from './parquet-table.ts';
import type { ImageSource, StoredImages } from './source.ts';

/** A file of several, as the Hub names them. */
const shard = /^(.*)-(\d{5})-of-(\d{5})(.*)$/;

/**
 * The set in the file at `path`; of a file of several (`…-00000-of-00003`), all of them. Throws
 * `data.unreadable`, `data.parquet_invalid` or `data.empty`.
 */
export async function readParquet(path: string): Promise<ImageSource> {
  const paths = await shardsOf(path);
  const tables: ParquetTable[] = [];
  for (const each of paths) tables.push(await openTable(each));
  const count = tables.reduce((sum, { rows }) => sum + rows, 0);
  if (count === 0) throw emptySource(path, 'choose a file with at least one row');
  return {
    kind: 'Parquet',
    title: titleOf(path),
    count,
    ...(await readLabels(tables)),
    images: (cache) => unpack(tables, count, cache),
  };
}

/** Data files on the Hub are named after their split alone; the folder around says more. */
function titleOf(path: string): string {
  const name = basename(path, '.parquet').replace(shard, '$1');
  const folder = basename(dirname(path));
  return /^(train|test|val|validation)$/i.test(name) ? `${folder} ${name}` : name;
}

async function shardsOf(path: string): Promise<string[]> {
  const found = shard.exec(basename(path));
  if (found === null) return [path];
  const [, prefix = '', , many = '', suffix = ''] = found;
  const names = Array.from(
    { length: Number(many) },
    (_, i) => `${prefix}-${String(i).padStart(5, '0')}-of-${many}${suffix}`,
  );
  const present = new Set(await readdir(dirname(path)).catch(() => []));
  const missing = names.find((name) => !present.has(name));
  if (missing !== undefined) {
    throw parquetInvalid(
      path,
      `it is one of ${names.length} files, and "${missing}" is not beside it`,
    );
  }
  return names.map((name) => join(dirname(path), name));
}

async function readLabels(
  tables: readonly ParquetTable[],
): Promise<Pick<ImageSource, 'labels' | 'classNames'>> {
  const [first] = tables;
  if (first?.labelColumn === undefined) return { labels: undefined, classNames: [] };
  const values: unknown[] = [];
  for (const table of tables) {
    const { labelColumn = '' } = table;
    const rows = await readColumn(table, labelColumn, 0, table.rows);
    for (const value of rows) values.push(typeof value === 'bigint' ? Number(value) : value);
  }
  const texts = values.every((value) => typeof value === 'string');
  const written = texts ? [...new Set(values)].sort() : undefined;
  const names = first.classNames ?? written;
  const indices = new Map(written?.map((name, index) => [name, index]));
  const labels = Int32Array.from(values, (value, row) => {
    const label = typeof value === 'string' ? indices.get(value) : value;
    const most = names?.length ?? 100_000;
    if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < most) {
      return label;
    }
    throw parquetInvalid(first.path, `the label of row ${row} is ${String(label)}`);
  });
  const most = labels.reduce((largest, label) => Math.max(largest, label), -1);
  return { labels, classNames: names ?? Array.from({ length: most + 1 }, (_, i) => String(i)) };
}

/**
 * Image files cannot be read one by one from a compressed table. So they are written one after another into
 * the cache, with their places behind them: rows + 1 offsets of 8 bytes each.
 */
async function unpack(
  tables: readonly ParquetTable[],
  count: number,
  cache: ImageCache,
): Promise<StoredImages> {
  const identity = await identityOf(tables);
  const offsets = new Float64Array(count + 1);
  const bytes = tables
    .flatMap(({ metadata }) => metadata.row_groups)
    .reduce((sum, { total_byte_size }) => sum + Number(total_byte_size), offsets.byteLength);
  const { path } = tables[0] ?? { path: '' };
  const name = createHash('sha256').update(identity).update(path).digest('hex').slice(0, 40);
  const file = await cache.whole(`${name}.parquet-images`, bytes, async (target) => {
    let row = 0;
    let at = 0;
    for await (const image of imagesOf(tables)) {
      offsets[row++] = at;
      await target.write(image, 0, image.length, at);
      at += image.length;
    }
    offsets[row] = at;
    await target.write(new Uint8Array(offsets.buffer), 0, offsets.byteLength, at);
  });
  await readOffsets(file, offsets);
  return {
    count,
    grey: undefined,
    // As the `datasets` library does when it decodes an image.
    upright: true,
    identity,
    locate: (index) => {
      const offset = offsets[index] ?? 0;
      const length = (offsets[index + 1] ?? 0) - offset;
      return { file, offset, length, name: `${path}, row ${index}` };
    },
  };
}

async function readOffsets(path: string, offsets: Float64Array): Promise<void> {
  const bytes = new Uint8Array(offsets.buffer);
  const file = await open(path);
  try {
    const { size } = await file.stat();
    await file.read(bytes, 0, bytes.length, size - bytes.length);
  } finally {
    await file.close();
  }
}

async function* imagesOf(tables: readonly ParquetTable[]): AsyncGenerator<Uint8Array> {
  for (const table of tables) {
    let start = 0;
    for (const group of table.metadata.row_groups) {
      const end = start + Number(group.num_rows);
      for (const [i, value] of (await readColumn(table, table.imageColumn, start, end)).entries()) {
        yield bytesOf(value, `row ${start + i}`, table.path);
      }
      start = end;
    }
  }
}

function bytesOf(value: unknown, row: string, path: string): Uint8Array {
  const held =
    typeof value === 'object' && value !== null && 'bytes' in value ? value.bytes : value;
  if (held instanceof Uint8Array) return held;
  throw parquetInvalid(path, `${row} holds no image, only a reference to one or nothing`);
}

async function identityOf(tables: readonly ParquetTable[]): Promise<string> {
  const hash = createHash('sha256').update('parquet images 1');
  for (const { path } of tables) {
    const { size, mtimeMs } = await stat(path);
    hash.update(JSON.stringify([basename(path), size, mtimeMs]));
  }
  return hash.digest('hex');
}
