/**
 * A strict JSON scanner over UTF-8 bytes, driven by the caller's schema. `JSON.parse` is not used for
 * headers because it keeps the last of two equal keys, rounds large integers and accepts any nesting.
 * The caller consumes each value by the method of the kind it expects, so the depth of the input
 * never becomes the depth of the stack.
 */
import { shown } from './fail.ts';

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const numberText = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const loneSurrogate = /\p{Surrogate}/u;

function isNumberByte(byte: number): boolean {
  const digit = byte >= 0x30 && byte <= 0x39;
  // + - . E e
  return digit || byte === 0x2b || byte === 0x2d || byte === 0x2e || byte === 0x45 || byte === 0x65;
}

export class JsonScanner {
  readonly #bytes: Buffer;
  readonly #fail: (problem: string) => never;
  #position = 0;

  /** `bytes` must be valid UTF-8. `fail` throws the caller's error for a breach of JSON's grammar. */
  constructor(bytes: Uint8Array, fail: (problem: string) => never) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
  }

  /** The kind of the next value, which stays unread. */
  kind(): JsonKind {
    const byte = this.#peek();
    if (byte === OPEN_OBJECT) return 'object';
    if (byte === OPEN_ARRAY) return 'array';
    if (byte === QUOTE) return 'string';
    if (byte === 0x2d || (byte !== undefined && byte >= 0x30 && byte <= 0x39)) return 'number';
    for (const word of ['true', 'false', 'null'] as const) {
      const end = this.#position + word.length;
      if (this.#bytes.toString('latin1', this.#position, end) === word) return word;
    }
    return this.#unexpected('a value');
  }

  /** Reads an object; `onMember` must consume the value of each key (unescaped) it is given. */
  object(onMember: (key: string) => void): void {
    this.#expect(OPEN_OBJECT, '"{"');
    if (this.#skip(CLOSE_OBJECT)) return;
    do {
      if (this.#peek() !== QUOTE) this.#unexpected('a name in double quotes');
      const key = this.string();
      this.#expect(COLON, '":"');
      onMember(key);
    } while (this.#skip(COMMA));
    this.#expect(CLOSE_OBJECT, '"," or "}"');
  }

  /** Reads an array; `onElement` must consume one value each time. */
  array(onElement: () => void): void {
    this.#expect(OPEN_ARRAY, '"["');
    if (this.#skip(CLOSE_ARRAY)) return;
    do onElement();
    while (this.#skip(COMMA));
    this.#expect(CLOSE_ARRAY, '"," or "]"');
  }

  /** Reads a string and unescapes it. */
  string(): string {
    this.#expect(QUOTE, 'a string');
    const bytes = this.#bytes;
    const start = this.#position;
    let end = start;
    let ascii = true;
    let escaped = false;
    for (; ; end++) {
      const byte = bytes[end];
      if (byte === undefined) return this.#fail('it ends inside a string');
      if (byte === QUOTE) break;
      if (byte < 0x20) return this.#fail(`a raw control character at byte ${end}`);
      if (byte > 0x7f) ascii = false;
      if (byte !== BACKSLASH) continue;
      escaped = true;
      end++;
    }
    this.#position = end + 1;
    if (escaped) return this.#unescape(start - 1, end + 1);
    return ascii ? bytes.toString('latin1', start, end) : bytes.toString('utf8', start, end);
  }

  /** Reads a number and returns its text, which is checked to be a JSON number. */
  number(): string {
    this.#peek();
    const start = this.#position;
    let end = start;
    while (end < this.#bytes.length && isNumberByte(this.#bytes[end]!)) end++;
    const text = this.#bytes.toString('latin1', start, end);
    if (!numberText.test(text)) this.#fail(`"${shown(text)}" at byte ${start} is not a number`);
    this.#position = end;
    return text;
  }

  /** Reads `true`, `false` or `null`. */
  literal(): void {
    this.#position += this.kind().length;
  }

  /** Skips one value of any kind; inside brackets only strings and balance are checked. */
  skipValue(): void {
    const kind = this.kind();
    if (kind === 'string') this.string();
    else if (kind === 'number') this.number();
    else if (kind === 'object' || kind === 'array') this.#skipBrackets();
    else this.literal();
  }

  /** Checks that nothing but whitespace is left. */
  end(): void {
    if (this.#peek() !== undefined) this.#unexpected('the end');
  }

  #skipBrackets(): void {
    let depth = 0;
    do {
      const byte = this.#peek();
      if (byte === undefined) this.#unexpected('a closing bracket');
      if (byte === QUOTE) {
        this.string();
        continue;
      }
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
      if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--;
      this.#position++;
    } while (depth > 0);
  }

  /** V8 unescapes one string token correctly; only lone surrogates must be refused on top. */
  #unescape(start: number, end: number): string {
    let text: unknown;
    try {
      text = JSON.parse(this.#bytes.toString('utf8', start, end));
    } catch {
      return this.#fail(`a bad escape in the string at byte ${start}`);
    }
    if (typeof text !== 'string' || loneSurrogate.test(text)) {
      return this.#fail(`half a surrogate pair in the string at byte ${start}`);
    }
    return text;
  }

  /** Skips whitespace and returns the next byte; undefined at the end. */
  #peek(): number | undefined {
    for (;;) {
      const byte = this.#bytes[this.#position];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#position++;
    }
  }

  #skip(byte: number): boolean {
    if (this.#peek() !== byte) return false;
    this.#position++;
    return true;
  }

  #expect(byte: number, wanted: string): void {
    if (!this.#skip(byte)) this.#unexpected(wanted);
  }

  #unexpected(wanted: string): never {
    const byte = this.#peek();
    if (byte === undefined) return this.#fail(`it ends where ${wanted} is expected`);
    const found =
      byte > 0x20 && byte < 0x7f
        ? `"${String.fromCharCode(byte)}"`
        : `byte 0x${byte.toString(16).padStart(2, '0')}`;
    return this.#fail(`${found} at byte ${this.#position} where ${wanted} is expected`);
  }
}
