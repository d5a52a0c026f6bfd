/** One Parquet file: its columns of images and labels, read by ranges of rows. */
import { open } from 'node:fs/promises';
import { parquetMetadataAsync, parquetRead, type AsyncBuffer, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { unreadableSource } from './errors.ts';

const imageColumns = ['image', 'img', 'picture', 'bytes'];
const labelColumns = ['label', 'labels', 'fine_label', 'class', 'target'];
/** Of one column of one row group, uncompressed: all of it is held in memory at once. */
const largestPart = 2 ** 31;
const mostRows = 10_000_000;
/** What the `datasets` library writes beside the table. */
const features = z.object({
  info: z.object({
    features: z.record(
      z.string(),
      z.object({ _type: z.string().optional(), names: z.array(z.string()).optional() }),
    ),
  }),
});

export interface ParquetTable {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly rows: number;
  readonly imageColumn: string;
  readonly labelColumn: string | undefined;
  readonly classNames: readonly string[] | undefined;
}

/** Throws `data.unreadable` or `data.parquet_invalid`. */
export async function openTable(path: string): Promise<ParquetTable> {
  return reading(path, async (file) => {
    const metadata = await parquetMetadataAsync(file);
    const rows = checkedRows(metadata, file.byteLength, path);
    const known = featuresOf(metadata);
    const columns = topColumns(metadata);
    const imageColumn = choose(columns, imageColumns, (name) => known?.[name]?._type === 'Image');
    if (imageColumn === undefined) {
      throw parquetInvalid(path, `it has no column of images (its columns: ${columns.join(', ')})`);
    }
    const labelColumn = choose(columns, labelColumns, (name) => known?.[name]?.names !== undefined);
    const classNames = labelColumn === undefined ? undefined : known?.[labelColumn]?.names;
    return { path, metadata, rows, imageColumn, labelColumn, classNames };
  });
}

/** The first of the usual names that is there and fits, else any that fits, else one of a usual name. */
function choose(
  columns: readonly string[],
  usual: readonly string[],
  fits: (name: string) => boolean,
): string | undefined {
  const present = usual.filter((name) => columns.includes(name));
  return present.find(fits) ?? columns.find(fits) ?? present[0];
}

function topColumns({ schema }: FileMetaData): string[] {
  const names: string[] = [];
  for (let at = 1; at < schema.length;) {
    names.push(schema[at]?.name ?? '');
    at = afterColumn(schema, at);
  }
  return names;
}

/** Where the column that begins at `at` ends in the schema, which lists the parts of a column after it. */
function afterColumn(schema: FileMetaData['schema'], at: number): number {
  let open = 1;
  for (; open > 0 && at < schema.length; at++) open += (schema[at]?.num_children ?? 0) - 1;
  return at;
}

function featuresOf(metadata: FileMetaData) {
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  if (text === undefined) return undefined;
  try {
    return features.parse(JSON.parse(text)).info.features;
  } catch {
    // The table can be read without what another program noted beside it.
    return undefined;
  }
}

/** Sizes that the footer claims must fit the file before anything of that size is read. */
function checkedRows(metadata: FileMetaData, bytes: number, path: string): number {
  let rows = 0;
  for (const group of metadata.row_groups) {
    rows += Number(group.num_rows);
    for (const { meta_data: column } of group.columns) {
      const stored = Number(column?.total_compressed_size ?? 0);
      const size = Number(column?.total_uncompressed_size ?? 0);
      if (stored < 0 || stored > bytes || size < 0)
        throw parquetInvalid(path, 'its footer is damaged');
      if (size > largestPart) throw parquetInvalid(path, 'a part of it is larger than 2 GB');
    }
  }
  if (rows !== Number(metadata.num_rows) || rows > mostRows || rows < 0) {
    throw parquetInvalid(path, 'its footer contradicts itself');
  }
  return rows;
}

/** Values of a column from row `rowStart` up to `rowEnd`. Throws `data.unreadable` or `data.parquet_invalid`. */
export async function readColumn(
  { path, metadata }: ParquetTable,
  name: string,
  rowStart: number,
  rowEnd: number,
): Promise<unknown[]> {
  return reading(path, async (file) => {
    let values: unknown[] = [];
    await parquetRead({
      file,
      metadata,
      columns: [name],
      rowStart,
      rowEnd,
      compressors,
      // Plain byte columns hold images; text says of itself that it is text.
      utf8: false,
      onComplete: (rows) => {
        values = rows.map(([value]) => value as unknown);
      },
    });
    if (values.length !== rowEnd - rowStart) throw parquetInvalid(path, 'rows of it are missing');
    return values;
  });
}

/** Hands out the file at `path`; whatever the library trips over there is damage. */
async function reading<Result>(
  path: string,
  work: (file: AsyncBuffer) => Promise<Result>,
): Promise<Result> {
  const file = await open(path).catch((cause: unknown) => {
    throw unreadableSource(path, cause);
  });
  // The library asks for ranges ahead of time and may never look at an answer, so that an answer that failed
  // would be nobody's: what went wrong is kept, and the range comes back empty.
  let failed: { readonly cause: unknown } | undefined;
  try {
    const { size: byteLength } = await file.stat();
    const result = await work({
      byteLength,
      slice: async (start, end = byteLength) => {
        const length = start < 0 ? 0 : Math.max(0, Math.min(end, byteLength) - start);
        const bytes = new Uint8Array(length);
        try {
          if (length > 0) await file.read(bytes, 0, length, start);
        } catch (cause) {
          failed = { cause };
        }
        return bytes.buffer;
      },
    });
    if (failed !== undefined) throw unreadableSource(path, failed.cause);
    return result;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw parquetInvalid(
      path,
      cause instanceof Error ? cause.message : 'its data is damaged',
      cause,
    );
  } finally {
    await file.close();
  }
}

export function parquetInvalid(where: string, what: string, cause?: unknown): AppError {
  return new AppError('data.parquet_invalid', {
    what: `the Parquet file cannot be used: ${what}`,
    where,
    hint: 'fetch the file again; it needs a column of embedded images, as the Hub’s image data sets have',
    cause,
  });
}
