/**
 * Constants that a loop loads from memory: V8 makes one that stands in the code anew, by several instructions,
 * wherever it is used.
 */
import { i32, load, type Code, type Memory } from '../../lib/wasm.ts';

/** What the constants of a function take at most. */
export const CONSTANT_BYTES = 512;

export class Constants {
  readonly #buffer: ArrayBuffer;
  readonly #begin: number;
  readonly #known = new Map<string, Code>();

  /** They lie in the memory from `begin` on. */
  constructor({ buffer }: Memory, begin: number) {
    this.#buffer = buffer;
    this.#begin = begin;
  }

  /** A number in all lanes of its type. */
  of(number: Float32Array | Float64Array | Int32Array): Code {
    const bytes = new Uint8Array(number.buffer, number.byteOffset, number.byteLength);
    const key = bytes.join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const offset = 16 * this.#known.size;
    if (offset >= CONSTANT_BYTES) throw new Error('too many constants');
    const place = new Uint8Array(this.#buffer, this.#begin + offset, 16);
    for (let at = 0; at < 16; at += bytes.length) place.set(bytes, at);
    const code = load(i32(this.#begin + offset));
    this.#known.set(key, code);
    return code;
  }
}
