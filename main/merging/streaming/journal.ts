/**
 * What an unfinished merge has done, beside its files: JSON lines, the first says which merge it is. Lines
 * are not synced. Instead every piece has its checksum, and whoever goes on reads the piece and compares:
 * after a power cut, too, only what really is on the disk counts.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { writeError } from '../../lib/durable.ts';

const JOURNAL = 'unfinished-merge.jsonl';
const FORMAT = 1;

export interface JournalHead {
  /** The name of the folder to be. */
  readonly target: string;
  /** Of everything the bytes of the result depend on. */
  readonly identity: string;
}

export interface JournalState {
  readonly head: JournalHead;
  /** What all passes found, where they were finished. */
  readonly prepared: { readonly value: unknown } | undefined;
  /** Checksums of finished pieces by their number in the layout. */
  readonly pieces: ReadonlyMap<number, number>;
}

export class Journal {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Begins the journal of a new folder. */
  static create(folder: string, head: JournalHead): Journal {
    const journal = new Journal(join(folder, JOURNAL));
    journal.#append({ format: FORMAT, ...head });
    return journal;
  }

  /** The journal of an abandoned folder; undefined where it has none that can be understood. */
  static open(folder: string): { journal: Journal; state: JournalState } | undefined {
    const path = join(folder, JOURNAL);
    const lines = linesOf(path);
    const [head, ...rest] = lines;
    if (!isHead(head)) return undefined;
    const pieces = new Map<number, number>();
    let prepared: JournalState['prepared'];
    for (const line of rest) {
      if (isPiece(line)) pieces.set(line.piece, line.crc32);
      else if (isPrepared(line)) prepared = decode(line.prepared) ?? prepared;
    }
    const { target, identity } = head;
    return { journal: new Journal(path), state: { head: { target, identity }, prepared, pieces } };
  }

  piece(index: number, crc32: number): void {
    this.#append({ piece: index, crc32 });
  }

  prepared(value: unknown): void {
    this.#append({ prepared: serialize(value).toString('base64') });
  }

  #append(line: object): void {
    try {
      // A newline first, too: the line before may have been torn.
      appendFileSync(this.path, `\n${JSON.stringify(line)}\n`);
    } catch (error) {
      throw writeError(error, this.path);
    }
  }
}

function linesOf(path: string): unknown[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      return [];
    }
  });
}

function decode(text: string): { value: unknown } | undefined {
  try {
    return { value: deserialize(Buffer.from(text, 'base64')) as unknown };
  } catch {
    return undefined;
  }
}

function has<Key extends string>(
  line: unknown,
  ...keys: readonly Key[]
): line is Record<Key, unknown> {
  return typeof line === 'object' && line !== null && keys.every((key) => key in line);
}

function isHead(line: unknown): line is JournalHead {
  return (
    has(line, 'format', 'target', 'identity') &&
    line.format === FORMAT &&
    typeof line.target === 'string' &&
    typeof line.identity === 'string'
  );
}

function isPiece(line: unknown): line is { piece: number; crc32: number } {
  return (
    has(line, 'piece', 'crc32') && Number.isInteger(line.piece) && Number.isInteger(line.crc32)
  );
}

function isPrepared(line: unknown): line is { prepared: string } {
  return has(line, 'prepared') && typeof line.prepared === 'string';
}
