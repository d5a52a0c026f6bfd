/**
 * What was found out about this machine, kept between programs: values under keys that name all they depend on, so
 * that nothing of another version, driver or processor is ever taken for it.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../lib/cache-folder.ts';
import { writeFileDurably } from '../lib/durable.ts';

/** Shapes, drivers and versions come and go. */
const maxEntries = 64;

/** A value and the day it was found. */
export interface Kept<T> {
  readonly at: string;
  readonly value: T;
}

export interface KeyedCache<T> {
  /** A file that is missing, damaged or of another version counts as empty. */
  read(key: string): Promise<Kept<T> | undefined>;
  /** A folder that cannot be written to only means finding out again. */
  write(key: string, value: T): Promise<void>;
}

/** All that a value depends on, as one word. */
export function keyOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** The values of one kind, in the file `name` of the cache folder. */
export function keyedCache<T>(name: string, value: z.ZodType<T>): KeyedCache<T> {
  const schema = z.strictObject({
    schema: z.literal(2),
    /** Newest first. */
    entries: z.array(z.strictObject({ key: z.string(), at: z.iso.date(), value })),
  });
  const path = (): string => join(cacheFolder(), name);
  const entriesOf = async (): Promise<z.output<typeof schema>['entries']> => {
    try {
      return schema.parse(JSON.parse(await readFile(path(), 'utf8'))).entries;
    } catch {
      return [];
    }
  };
  return {
    async read(key) {
      const entry = (await entriesOf()).find((one) => one.key === key);
      return entry && { at: entry.at, value: entry.value };
    },
    async write(key, found) {
      const at = new Date().toISOString().slice(0, 10);
      const others = (await entriesOf()).filter((one) => one.key !== key);
      const entries = [{ key, at, value: found }, ...others].slice(0, maxEntries);
      try {
        await mkdir(dirname(path()), { recursive: true });
        await writeFileDurably(path(), `${JSON.stringify({ schema: 2, entries }, null, 1)}\n`);
      } catch {
        return;
      }
    },
  };
}
