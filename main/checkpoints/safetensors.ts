/** Reads one safetensors file: everything is validated before the first tensor can be asked for. */
import type { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import type {
  CheckpointSource,
  StoredCheckpoint,
  TensorInfo,
  TensorLocation,
} from './checkpoint.ts';
import { checkpointError, DAMAGED, tensorMissing } from './fail.ts';
import { readFp32 } from './fp32.ts';
import { MAX_HEADER_BYTES, parseHeader, type Header, type TensorEntry } from './header.ts';
import { checkLayout } from './layout.ts';
import { sniffFormat } from './sniff.ts';
import { WeightFile } from './weight-file.ts';

const PREFIX_BYTES = 8;
const SNIFF_BYTES = 512;
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
  readonly source: CheckpointSource;
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
    this.source = { format: 'safetensors', files: [file.path], shared: [] };
    this.#file = file;
    this.#header = header;
    this.#dataStart = dataStart;
  }

  async read(name: string): Promise<Tensor> {
    const { begin } = this.#entry(name);
    return readFp32(this.tensors.get(name)!, this.#file.path, {
      chunks: () => this.chunks(name),
      fill: (target) => this.#file.readInto(target, this.#dataStart + begin),
    });
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

  /** The format has no checksums. */
  async verify(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true;
  }

  #entry(name: string): TensorEntry {
    if (this.#closed) throw new Error(`the checkpoint ${this.path} is closed`);
    const entry = this.#header.entries.get(name);
    if (entry !== undefined) return entry;
    throw tensorMissing(this.#file.path, this.#header.entries.size, name);
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
