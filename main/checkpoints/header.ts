/**
 * The safetensors header: JSON text into tensor entries, with every rule that can be checked from
 * the text alone. `layout.ts` checks the entries against each other and against the file.
 * Format: https://github.com/safetensors/safetensors#format
 */
import { isUtf8 } from 'node:buffer';
import type { ErrorCode } from '../lib/error-codes.ts';
import { isDType, type DType } from './dtype.ts';
import { checkpointError, DAMAGED, REWRITE, shown } from './fail.ts';
import { JsonScanner, type JsonKind } from './json-scanner.ts';

export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte, counted from the end of the header. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

export interface Header {
  /** In header order. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** The longest header the format's own reader accepts, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;
const MAX_NAME_LENGTH = 4096;
const MAX_RANK = 64;
export const METADATA_KEY = '__metadata__';

/** Control characters, and the invisible ones that reorder text on a screen. */
const unsafeCharacter = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
/** Names that become properties of every object, or leave a folder, in a careless consumer. */
const unsafeName = /^(?:__proto__|constructor|prototype)$|^[\\/]|(?:^|[\\/])\.\.(?:[\\/]|$)/;

/** Why a tensor name is refused; undefined for a good one. Stricter than the reference reader. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (name.length > MAX_NAME_LENGTH) {
    return `it has ${name.length} characters, more than ${MAX_NAME_LENGTH}`;
  }
  if (unsafeCharacter.test(name)) return 'it has control or text-direction characters';
  if (unsafeName.test(name)) return 'such a name is unsafe as a path or an object key';
  return undefined;
}

class HeaderParser {
  readonly #file: string;
  readonly #scanner: JsonScanner;
  readonly #entries = new Map<string, TensorEntry>();
  #metadata: Map<string, string> | undefined;
  #metadataSeen = false;

  constructor(bytes: Uint8Array, file: string) {
    this.#file = file;
    this.#scanner = new JsonScanner(bytes, (problem) =>
      this.#fail('checkpoint.header_not_json', `the header is not valid JSON: ${problem}`, DAMAGED),
    );
  }

  parse(): Header {
    const kind = this.#scanner.kind();
    if (kind !== 'object') {
      const what = `the header is JSON of the kind "${kind}" where an object is needed`;
      this.#fail('checkpoint.header_not_object', what, REWRITE);
    }
    this.#scanner.object((key) => {
      if (key === METADATA_KEY) this.#readMetadata();
      else this.#readEntry(key);
    });
    this.#scanner.end();
    return { entries: this.#entries, metadata: this.#metadata ?? new Map() };
  }

  #fail(code: ErrorCode, what: string, hint: string, tensor?: string): never {
    throw checkpointError(code, { what, file: this.#file, tensor, hint });
  }

  #readMetadata(): void {
    const code = 'checkpoint.metadata_invalid';
    if (this.#metadataSeen) {
      this.#fail('checkpoint.duplicate_key', `the header has ${METADATA_KEY} twice`, REWRITE);
    }
    this.#metadataSeen = true;
    const kind = this.#scanner.kind();
    if (kind === 'null') {
      this.#scanner.literal();
      return;
    }
    if (kind !== 'object') {
      this.#fail(code, `${METADATA_KEY} is of the kind "${kind}", not an object`, REWRITE);
    }
    const metadata = new Map<string, string>();
    this.#scanner.object((key) => {
      const valueKind = this.#scanner.kind();
      if (valueKind !== 'string') {
        const what = `${METADATA_KEY} has a value of the kind "${valueKind}" under "${shown(key)}"`;
        this.#fail(code, `${what} where only text is allowed`, REWRITE);
      }
      if (metadata.has(key)) {
        const what = `${METADATA_KEY} has the key "${shown(key)}" twice`;
        this.#fail('checkpoint.duplicate_key', what, REWRITE);
      }
      metadata.set(key, this.#scanner.string());
    });
    this.#metadata = metadata;
  }

  #readEntry(name: string): void {
    const problem = nameProblem(name);
    if (problem !== undefined) {
      const hint = 'rename the tensor and save the file again';
      this.#fail(
        'checkpoint.name_invalid',
        `the tensor name is not accepted: ${problem}`,
        hint,
        name,
      );
    }
    if (this.#entries.has(name)) {
      const what = 'the header lists the same tensor name twice';
      this.#fail('checkpoint.duplicate_tensor', what, REWRITE, name);
    }
    const kind = this.#scanner.kind();
    if (kind !== 'object') {
      const what = `the tensor entry is of the kind "${kind}", not an object`;
      this.#fail('checkpoint.entry_invalid', what, REWRITE, name);
    }
    this.#entries.set(name, this.#readFields(name));
  }

  #readFields(name: string): TensorEntry {
    let dtype: DType | undefined;
    let shape: readonly number[] | undefined;
    let offsets: readonly [number, number] | undefined;
    const seen = new Set<string>();
    this.#scanner.object((field) => {
      if (seen.has(field)) {
        this.#fail('checkpoint.duplicate_key', `the entry has "${field}" twice`, REWRITE, name);
      }
      seen.add(field);
      if (field === 'dtype') dtype = this.#readDtype(name);
      else if (field === 'shape') shape = this.#readShape(name);
      else if (field === 'data_offsets') offsets = this.#readOffsets(name);
      else {
        const what = `the entry has the unknown field "${shown(field)}"`;
        this.#fail('checkpoint.entry_invalid', what, REWRITE, name);
      }
    });
    if (dtype === undefined) return this.#missing(name, 'dtype');
    if (shape === undefined) return this.#missing(name, 'shape');
    if (offsets === undefined) return this.#missing(name, 'data_offsets');
    return { name, dtype, shape, begin: offsets[0], end: offsets[1] };
  }

  #missing(name: string, field: string): never {
    return this.#fail('checkpoint.entry_invalid', `the entry has no "${field}"`, REWRITE, name);
  }

  #readDtype(name: string): DType {
    const kind = this.#scanner.kind();
    if (kind !== 'string') {
      const what = `the dtype is of the kind "${kind}", not text`;
      this.#fail('checkpoint.entry_invalid', what, REWRITE, name);
    }
    const dtype = this.#scanner.string();
    if (isDType(dtype)) return dtype;
    const hint = 'convert the tensor to F32, F16 or BF16 and save the file again';
    const what = `the dtype "${shown(dtype)}" is not one of the format's`;
    return this.#fail('checkpoint.dtype_unknown', what, hint, name);
  }

  #readShape(name: string): readonly number[] {
    const fail = (what: string): never =>
      this.#fail('checkpoint.shape_invalid', what, REWRITE, name);
    const kind = this.#scanner.kind();
    if (kind !== 'array') fail(`the shape is of the kind "${kind}", not a list`);
    const shape: number[] = [];
    this.#scanner.array(() => {
      if (shape.length === MAX_RANK) fail(`the shape has more than ${MAX_RANK} dimensions`);
      const elementKind = this.#scanner.kind();
      const size = this.#readUnsigned(elementKind);
      if (typeof size === 'string') {
        fail(`a dimension of the shape is ${size} where an unsigned integer is needed`);
      } else if (!Number.isSafeInteger(size)) {
        const what = 'a dimension of the shape is above 2^53';
        this.#fail('checkpoint.shape_too_large', what, DAMAGED, name);
      } else shape.push(size);
    });
    return shape;
  }

  #readOffsets(name: string): readonly [number, number] {
    const fail = (what: string): never =>
      this.#fail('checkpoint.offsets_invalid', what, REWRITE, name);
    const kind = this.#scanner.kind();
    if (kind !== 'array') fail(`data_offsets is of the kind "${kind}", not a list`);
    const offsets: number[] = [];
    this.#scanner.array(() => {
      if (offsets.length === 2) fail('data_offsets has more than two numbers');
      const offset = this.#readUnsigned(this.#scanner.kind());
      if (typeof offset === 'string') {
        fail(`data_offsets holds ${offset} where an unsigned integer is needed`);
      } else if (!Number.isSafeInteger(offset)) fail('data_offsets holds a number above 2^53');
      else offsets.push(offset);
    });
    const [begin, end] = offsets;
    if (begin === undefined || end === undefined) {
      return fail(`data_offsets has ${offsets.length} of the two numbers needed`);
    }
    if (end < begin) fail(`data_offsets end at ${end}, before they begin at ${begin}`);
    return [begin, end];
  }

  /** An unsigned integer (Infinity above 2^53), or what was found in its place. */
  #readUnsigned(kind: JsonKind): number | string {
    if (kind !== 'number') return `of the kind "${kind}"`;
    const text = this.#scanner.number();
    if (!/^\d+$/.test(text)) return shown(text);
    const value = text.length > 16 ? Infinity : Number(text);
    return Number.isSafeInteger(value) ? value : Infinity;
  }
}

/**
 * Parses the header of a safetensors file. `bytes` is the header without its length prefix, `file`
 * is named in errors. Throws an AppError `checkpoint.*` for every breach of the format.
 */
export function parseHeader(bytes: Uint8Array, file: string): Header {
  if (!isUtf8(bytes)) {
    const what = 'the header is not UTF-8 text';
    throw checkpointError('checkpoint.header_not_utf8', { what, file, hint: DAMAGED });
  }
  return new HeaderParser(bytes, file).parse();
}
