/** Small files of the shell's own: read when they are as expected, else treated as absent. */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { writeFileDurably } from '../main/lib/durable.ts';

/** The file's content, or undefined when it is missing, damaged or of another version. */
export function readJsonFile<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
): z.output<Schema> | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Writes one version after the other, in the order of the calls. */
export function createJsonWriter(file: string): (value: unknown) => Promise<void> {
  let last = Promise.resolve();
  return (value) => {
    const text = `${JSON.stringify(value, null, 2)}\n`;
    last = last
      .catch(() => undefined)
      .then(async () => {
        await mkdir(path.dirname(file), { recursive: true });
        await writeFileDurably(file, text);
      });
    return last;
  };
}
