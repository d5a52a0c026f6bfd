/**
 * An append-only file of JSON lines. A line counts once `appendLine` has returned; a kill or a power
 * cut can tear only the line being written, which readers skip and the next append removes.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errnoOf, writeError } from './durable-file.ts';
import { AppError } from './errors.ts';
import { readTextFile } from './text-file.ts';

const NEWLINE = 0x0a;

/** The size each file had after this process last appended to it: its end needs no look then. */
const knownSizes = new Map<string, number>();
/** The last append of each file; appends run one after the other, in the order they were asked for. */
const queues = new Map<string, Promise<void>>();

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The length of the sound part of a file, and whether its last line lacks only the newline. */
function soundEnd(bytes: Buffer): { size: number; needsNewline: boolean } {
  const closed = bytes.at(-1) === NEWLINE;
  const body = closed ? bytes.subarray(0, -1) : bytes;
  const start = body.lastIndexOf(NEWLINE) + 1;
  const sound = bytes.length === 0 || isJson(body.toString('utf8', start));
  return sound
    ? { size: bytes.length, needsNewline: bytes.length > 0 && !closed }
    : { size: start, needsNewline: false };
}

async function appendAt(handle: FileHandle, bytes: Buffer, size: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const call = await handle.write(bytes, done, bytes.length - done, size + done);
    done += call.bytesWritten;
  }
  await handle.sync();
}

async function append(path: string, line: string): Promise<void> {
  // Positions are explicit, so the file is not opened for appending.
  const handle = await open(path, 'r+').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return open(path, 'wx+');
    throw error;
  });
  let { size } = await handle.stat();
  try {
    let text = `${line}\n`;
    if (size !== knownSizes.get(path)) {
      const end = soundEnd(await handle.readFile());
      if (end.size < size) await handle.truncate(end.size);
      size = end.size;
      if (end.needsNewline) text = `\n${text}`;
    }
    const bytes = Buffer.from(text);
    await appendAt(handle, bytes, size);
    knownSizes.set(path, size + bytes.length);
  } catch (error) {
    knownSizes.delete(path);
    await handle.truncate(size).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Appends one line (without its newline) to a file of JSON lines and syncs it; the file is made where
 * it does not exist. One process may write a file at a time; its appends keep their order.
 * Throws AppError `file.disk_full` or `file.write_failed`; the file then ends as it did before.
 */
export async function appendLine(path: string, line: string): Promise<void> {
  if (line.includes('\n')) throw new Error('a line must not contain a newline');
  const file = resolve(path);
  const previous = queues.get(file) ?? Promise.resolve();
  const current = previous.catch(() => undefined).then(() => append(file, line));
  queues.set(file, current);
  try {
    await current;
  } catch (error) {
    throw writeError(error, path, 'the lines before it are safe');
  } finally {
    if (queues.get(file) === current) queues.delete(file);
  }
}

/**
 * Reads a file of JSON lines; a damaged last line is left out, as an interrupted append leaves it.
 * Throws AppError `file.line_invalid` for any other damaged line, `file.read_failed` otherwise.
 */
export async function readJsonLines(path: string): Promise<unknown[]> {
  const lines = (await readTextFile(path)).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const values: unknown[] = [];
  for (const [index, line] of lines.entries()) {
    if (isJson(line)) values.push(JSON.parse(line));
    else if (index < lines.length - 1) throw damagedLine(path, index + 1);
  }
  return values;
}

function damagedLine(path: string, number: number): AppError {
  return new AppError('file.line_invalid', {
    what: `line ${number} is not valid JSON`,
    where: path,
    hint: 'restore the file from a copy, or delete this line',
  });
}
