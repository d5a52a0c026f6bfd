/**
 * Reads the result back while it grows, in a thread of its own: behind the last piece up to which nothing
 * is missing it compares checksums and carries on the SHA-256 of each file.
 */
import type { OutputLayout, Piece } from './output-layout.ts';
import type { CheckedRange, WrittenPiece } from './protocol.ts';
import type { ThreadPool } from './thread-pool.ts';

export class ReadBack {
  readonly #pool: ThreadPool;
  readonly #layout: OutputLayout;
  readonly #pathOf: (shard: number) => string;
  readonly #written = new Map<number, WrittenPiece>();
  readonly #digests: Promise<string | undefined>[] = [];
  /** Whether the headers, which come first in the hashes, are written. */
  #begun = false;
  #next = 0;
  #shard = 0;
  /** Those not yet read. */
  #headers: (WrittenPiece | undefined)[] = [];

  constructor(pool: ThreadPool, layout: OutputLayout, pathOf: (shard: number) => string) {
    this.#pool = pool;
    this.#layout = layout;
    this.#pathOf = pathOf;
  }

  /** The piece of this number is in its file. */
  written(index: number, piece: WrittenPiece): void {
    this.#written.set(index, piece);
    if (this.#begun) this.#advance();
  }

  /** All headers are in their files; to be called once. */
  begin(headers: readonly WrittenPiece[]): void {
    this.#headers = [...headers];
    this.#begun = true;
    this.#advance();
  }

  /** The SHA-256 of every file, once all pieces are written. Throws `file.verify_failed`. */
  async finish(): Promise<readonly string[]> {
    const hashes = (await Promise.all(this.#digests)).filter((hash) => hash !== undefined);
    if (hashes.length !== this.#layout.shards.length)
      throw new Error('pieces of the result are missing');
    return hashes;
  }

  #advance(): void {
    const { pieces, shards } = this.#layout;
    while (this.#shard < shards.length) {
      const ranges: CheckedRange[] = [];
      let piece: Piece | undefined;
      for (;;) {
        piece = pieces[this.#next];
        if (piece?.shard !== this.#shard) break;
        const written = this.#written.get(this.#next);
        if (written === undefined) break;
        ranges.push({ position: piece.position, ...written });
        this.#written.delete(this.#next);
        this.#next++;
      }
      const last = piece?.shard !== this.#shard;
      this.#digest(this.#shard, ranges, last);
      if (!last) return;
      this.#shard++;
    }
  }

  #digest(shard: number, ranges: CheckedRange[], last: boolean): void {
    const header = this.#headers[shard];
    if (header !== undefined) {
      // Once for each file: the first bytes, before any piece.
      ranges.unshift({ position: 0, ...header });
      this.#headers[shard] = undefined;
    }
    if (ranges.length === 0 && !last) return;
    const request = { file: this.#pathOf(shard), ranges, last };
    const digest = this.#pool.first('digest', request);
    // Heard in `finish`, or by the failure of the whole merge.
    digest.catch(() => undefined);
    this.#digests.push(digest);
  }
}
