/** Reads one safetensors file: everything is validated before the first tensor can be asked for. */
import type { AppError } from '../lib/errors.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import type { StoredCheckpoint, TensorInfo, TensorLocation } from './checkpoint.ts';
import { converterOf, NotRepresentable } from './convert.ts';
import { bitsPerElement } from './dtype.ts';
import { checkpointError, DAMAGED, shown } from './fail.ts';
import { MAX_HEADER_BYTES, parseHeader, type Header, type TensorEntry } from './header.ts';
import { checkLayout } from './layout.ts';
import { sniffFormat } from './sniff.ts';
import { WeightFile } from './weight-file.ts';

const PREFIX_BYTES = 8;
const SNIFF_BYTES = 512;
/** One tensor as fp32; a larger one cannot be a single buffer everywhere the application runs. */
const MAX_TENSOR_BYTES = 4 * 1024 ** 3 - 8;

/** The error of a bad prefix, or a better one when the bytes are known to be something else. */
function notSafetensors(file: string, firstBytes: Uint8Array, otherwise: AppError): AppError {
  const guess = sniffFormat(firstBytes);
  if (guess === undefined) return otherwise;
  return checkpointError('checkpoint.wrong_format', {
    what: `this is ${guess.is}, not a safetensors file`,
    file,
    hint: guess.hint,
  });
}

/** The header length from the first bytes, checked against the limit and the size of the file. */
function headerLength(file: WeightFile, first: Uint8Array): number {
  const fail = (
    code: 'too_short' | 'header_too_large' | 'header_past_end',
    what: string,
  ): never => {
    const fault = checkpointError(`checkpoint.${code}`, { what, file: file.path, hint: DAMAGED });
    throw notSafetensors(file.path, first, fault);
  };
  if (file.size === 0) fail('too_short', 'the file is empty');
  if (file.size < PREFIX_BYTES) {
    fail('too_short', `the file has ${file.size} bytes, too few for the 8-byte header length`);
  }
  const length = Buffer.from(first.buffer, first.byteOffset).readBigUInt64LE();
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail('header_too_large', `the header claims ${length} bytes; the limit is ${MAX_HEADER_BYTES}`);
  }
  if (length > BigInt(file.size - PREFIX_BYTES)) {
    const rest = file.size - PREFIX_BYTES;
    fail('header_past_end', `the header claims ${length} bytes, but only ${rest} follow`);
  }
  return Number(length);
}

/** Reads a header piece by piece only if it starts like one, so that a huge non-header costs nothing. */
async function readHeader(file: WeightFile): Promise<{ header: Header; dataStart: number }> {
  const first = new Uint8Array(Math.min(SNIFF_BYTES, file.size));
  await file.readInto(first, 0);
  const length = headerLength(file, first);
  const start = first.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
  const bytes = looksLikeJson(start) ? new Uint8Array(length) : start;
  if (bytes !== start) await file.readInto(bytes, PREFIX_BYTES);
  return { header: parseHeader(bytes, file.path), dataStart: PREFIX_BYTES + length };
}

/** False when the very first character already makes the header invalid. */
function looksLikeJson(start: Uint8Array): boolean {
  const text = Buffer.from(start).toString('latin1').trimStart();
  return text === '' || text.startsWith('{');
}

class SafetensorsFile implements StoredCheckpoint {
  readonly path: string;
  readonly config: unknown;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly warnings: readonly string[] = [];
  readonly #file: WeightFile;
  readonly #header: Header;
  readonly #dataStart: number;
  #closed = false;

  constructor(path: string, file: WeightFile, header: Header, dataStart: number, config: unknown) {
    this.path = path;
    this.config = config;
    this.metadata = header.metadata;
    this.tensors = new Map(
      [...header.entries.values()].map(({ name, dtype, shape, begin, end }) => [
        name,
        { name, dtype, shape, byteLength: end - begin },
      ]),
    );
    this.#file = file;
    this.#header = header;
    this.#dataStart = dataStart;
  }

  async read(name: string): Promise<Tensor> {
    const entry = this.#entry(name);
    const convert = converterOf(entry.dtype);
    if (convert === undefined) {
      throw this.#error('checkpoint.dtype_unsupported', name, {
        what: `${entry.dtype} has no conversion to fp32`,
        hint: 'save the checkpoint as F32, F16 or BF16 first',
      });
    }
    const data = this.#allocate(entry);
    if (entry.dtype === 'F32') {
      // The stored bytes are the result: no second buffer, and no conversion.
      await this.#file.readInto(new Uint8Array(data.buffer), this.#dataStart + entry.begin);
      return { shape: entry.shape, data };
    }
    let done = 0;
    for await (const chunk of this.chunks(name)) {
      const count = (chunk.byteLength * 8) / bitsPerElement(entry.dtype);
      try {
        convert(chunk, data.subarray(done, done + count));
      } catch (error) {
        throw error instanceof NotRepresentable ? this.#unrepresentable(name, error, done) : error;
      }
      done += count;
    }
    return { shape: entry.shape, data };
  }

  chunks(name: string): AsyncIterable<Uint8Array> {
    const { begin, end } = this.#entry(name);
    return this.#file.chunks(this.#dataStart + begin, this.#dataStart + end);
  }

  locate(name: string): TensorLocation {
    const { begin, end, dtype } = this.#entry(name);
    const { path: file, identity } = this.#file;
    return { file, begin: this.#dataStart + begin, end: this.#dataStart + end, dtype, identity };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #entry(name: string): TensorEntry {
    if (this.#closed) throw new Error(`the checkpoint ${this.path} is closed`);
    const entry = this.#header.entries.get(name);
    if (entry !== undefined) return entry;
    throw this.#error('checkpoint.tensor_missing', name, {
      what: `none of its ${this.#header.entries.size} tensors is called "${shown(name)}"`,
      hint: 'choose a checkpoint of the same architecture',
    });
  }

  #allocate(entry: TensorEntry): Float32Array {
    const bytes = elementCount(entry.shape) * 4;
    let cause: unknown;
    try {
      if (bytes <= MAX_TENSOR_BYTES) return new Float32Array(bytes / 4);
    } catch (error) {
      cause = error;
    }
    throw this.#error('checkpoint.tensor_too_large', entry.name, {
      what: `the tensor takes ${bytes} bytes as fp32, more than can be allocated`,
      hint: 'close other programs, or use a machine with more memory',
      cause,
    });
  }

  #unrepresentable(name: string, error: NotRepresentable, offset: number): AppError {
    return this.#error('checkpoint.value_not_representable', name, {
      what: `${error.message} at index ${offset + error.index} cannot be expressed in fp32`,
      hint: 'leave this tensor out of the merge, or save it as F32',
    });
  }

  #error(
    code: `checkpoint.${'dtype_unsupported' | 'tensor_missing' | 'tensor_too_large' | 'value_not_representable'}`,
    tensor: string,
    fault: { what: string; hint: string; cause?: unknown },
  ): AppError {
    return checkpointError(code, { ...fault, file: this.#file.path, tensor });
  }
}

/**
 * Opens one safetensors file. The whole header is validated against the real size of the file before
 * anything of a size the file claims is allocated. `config` and `givenPath` (the path to show, when
 * it is not the file's) are handed on as they are.
 * Throws an AppError `checkpoint.*` for anything that is not a complete, well-formed file.
 */
export async function openSafetensors(
  path: string,
  config?: unknown,
  givenPath = path,
): Promise<StoredCheckpoint> {
  const file = await WeightFile.open(path);
  const { header, dataStart } = await readHeader(file);
  checkLayout(header.entries.values(), file.size - dataStart, path);
  return new SafetensorsFile(givenPath, file, header, dataStart, config);
}
