/**
 * Writes safetensors files: streamed, reproducible to the byte, verified before they become visible.
 * Order and padding are those of the format's own writer, so that equal content gives equal files.
 */
import { createHash } from 'node:crypto';
import { replaceFileDurably, type DurableFile } from '../lib/durable.ts';
import { elementCount } from '../lib/tensor.ts';
import { bitsPerElement, dtypeRank, type DType } from './dtype.ts';
import { checkpointError } from './fail.ts';
import { compareNames } from './fingerprint.ts';
import { encodeBf16, encodeFp16, findNonFinite } from './half.ts';
import { MAX_HEADER_BYTES, METADATA_KEY, parseHeader, type TensorEntry } from './header.ts';
import { checkLayout } from './layout.ts';
import { openSafetensors } from './safetensors.ts';

const PREFIX_BYTES = 8;
const ALIGNMENT = 8;
/** Elements converted at a time, so that a 16-bit copy of a whole tensor is never needed. */
const CHUNK_ELEMENTS = 4 * 1024 * 1024;

export type OutputDType = 'F32' | 'F16' | 'BF16';

/** One tensor to write, of bytes where they are U8; `data` may be a function, called once, when the tensor's turn comes. */
export interface TensorToWrite extends TensorHeader {
  readonly dtype: OutputDType | 'U8';
  readonly data: Float32Array | (() => Promise<Float32Array>);
}

export interface WriteSafetensorsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Writes NaN and infinite values instead of refusing them. */
  readonly allowNonFinite?: boolean;
}

export interface WrittenSafetensors {
  /** Size of the file. */
  readonly byteLength: number;
  readonly tensorCount: number;
  /** sha-256 (hex) of the whole file. */
  readonly sha256: string;
  /** sha-256 (hex) of the bytes after the header: the same weights under any metadata. */
  readonly dataSha256: string;
}

/** A tensor of a file to be written: what its header says of it. */
export interface TensorHeader {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface SafetensorsLayout<T extends TensorHeader> {
  /** Everything before the first tensor. */
  readonly prefixAndHeader: Uint8Array;
  /** In the order of their bytes, with where these lie in the file. */
  readonly tensors: readonly { readonly tensor: T; readonly begin: number; readonly end: number }[];
  /** Size of the file. */
  readonly byteLength: number;
}

function byteLengthOf({ dtype, shape }: TensorHeader): number {
  return (elementCount(shape) * bitsPerElement(dtype)) / 8;
}

function member(name: string, json: string): string {
  return `${JSON.stringify(name)}:${json}`;
}

function metadataMember(metadata: ReadonlyMap<string, string>): readonly string[] {
  if (metadata.size === 0) return [];
  const members = [...metadata]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([key, value]) => member(key, JSON.stringify(value)));
  return [member(METADATA_KEY, `{${members.join(',')}}`)];
}

/**
 * Orders the tensors, lays out their bytes and checks the header as a reader would; `path` is named in
 * errors. The length of the header depends on the lengths of its texts alone.
 */
export function layoutSafetensors<T extends TensorHeader>(
  path: string,
  tensors: Iterable<T>,
  metadata: ReadonlyMap<string, string>,
): SafetensorsLayout<T> {
  const ordered = [...tensors].sort(
    (a, b) => dtypeRank(b.dtype) - dtypeRank(a.dtype) || compareNames(a.name, b.name),
  );
  const entries: TensorEntry[] = [];
  let end = 0;
  for (const tensor of ordered) {
    const begin = end;
    end += byteLengthOf(tensor);
    entries.push({ name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, begin, end });
  }
  const tensorMembers = entries.map(({ name, dtype, shape, begin, end }) =>
    member(name, JSON.stringify({ dtype, shape, data_offsets: [begin, end] })),
  );
  const json = Buffer.from(`{${[...metadataMember(metadata), ...tensorMembers].join(',')}}`);
  const length = Math.ceil(json.byteLength / ALIGNMENT) * ALIGNMENT;
  if (length > MAX_HEADER_BYTES) {
    throw checkpointError('checkpoint.header_too_large', {
      what: `the header would have ${length} bytes; the limit is ${MAX_HEADER_BYTES}`,
      file: path,
      hint: 'shorten the metadata',
    });
  }
  const bytes = Buffer.alloc(PREFIX_BYTES + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  json.copy(bytes, PREFIX_BYTES);
  // What our own reader refuses (a name twice, an unsafe name, a broken shape) is never written.
  parseHeader(bytes.subarray(PREFIX_BYTES), path);
  checkLayout(entries, end, path);
  const start = bytes.byteLength;
  return {
    prefixAndHeader: bytes,
    tensors: ordered.map((tensor, index) => {
      const { begin, end } = entries[index]!;
      return { tensor, begin: start + begin, end: start + end };
    }),
    byteLength: start + end,
  };
}

async function valuesOf(
  tensor: TensorToWrite,
  path: string,
  allowNonFinite: boolean,
): Promise<Float32Array> {
  const values = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
  const count = elementCount(tensor.shape);
  if (values.length !== count) {
    throw checkpointError('checkpoint.size_mismatch', {
      what: `${values.length} values were given for the shape [${tensor.shape.join(', ')}]`,
      file: path,
      tensor: tensor.name,
      hint: 'report this as a bug',
    });
  }
  const bad = allowNonFinite ? undefined : findNonFinite(values);
  if (bad === undefined || bad.count === 0) return values;
  throw checkpointError('checkpoint.non_finite', {
    what: `${bad.count} of ${count} values are NaN or infinite, the first at index ${bad.firstIndex}`,
    file: path,
    tensor: tensor.name,
    hint: 'look for the model that brings them in, or allow non-finite values in the export',
  });
}

/** The stored bytes of a tensor, piece by piece. */
function* encode(tensor: TensorToWrite, values: Float32Array, path: string): Generator<Uint8Array> {
  if (tensor.dtype === 'F32') {
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return;
  }
  if (tensor.dtype === 'U8') {
    yield Uint8Array.from(values);
    return;
  }
  const encodeChunk = tensor.dtype === 'F16' ? encodeFp16 : encodeBf16;
  for (let start = 0; start < values.length; start += CHUNK_ELEMENTS) {
    const source = values.subarray(start, start + CHUNK_ELEMENTS);
    const target = new Uint16Array(source.length);
    const overflows = encodeChunk(source, target);
    if (overflows > 0) {
      throw checkpointError('checkpoint.value_overflow', {
        what: `${overflows} or more values are too large for ${tensor.dtype}`,
        file: path,
        tensor: tensor.name,
        hint: tensor.dtype === 'F16' ? 'export as BF16 or F32 instead' : 'export as F32 instead',
      });
    }
    yield new Uint8Array(target.buffer);
  }
}

async function writeData(
  layout: SafetensorsLayout<TensorToWrite>,
  path: string,
  write: (bytes: Uint8Array) => Promise<void>,
  allowNonFinite: boolean,
): Promise<void> {
  for (const { tensor } of layout.tensors) {
    const values = await valuesOf(tensor, path, allowNonFinite);
    for (const bytes of encode(tensor, values, path)) await write(bytes);
  }
}

/**
 * Writes a safetensors file. Tensors are ordered by dtype (largest alignment first), then by the
 * bytes of their names; metadata by key: the same input gives the same bytes. fp32 values are rounded
 * once, to nearest even. One tensor is in memory at a time. The file appears at `path` only when it
 * is complete, synced and has been read back; after any failure the old file is still there.
 *
 * Throws AppError `checkpoint.non_finite` (unless allowed), `checkpoint.value_overflow`,
 * `checkpoint.duplicate_tensor`, `checkpoint.name_invalid`, `checkpoint.size_mismatch`, `file.*`,
 * CancelledError, and what a `data` function throws.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
  options: WriteSafetensorsOptions = {},
): Promise<WrittenSafetensors> {
  const layout = layoutSafetensors(path, tensors, metadata);
  const { byteLength } = layout;
  const dataHash = createHash('sha256');
  const produce = async (file: DurableFile): Promise<void> => {
    await file.write(layout.prefixAndHeader);
    const write = async (bytes: Uint8Array): Promise<void> => {
      dataHash.update(bytes);
      await file.write(bytes);
    };
    await writeData(layout, path, write, options.allowNonFinite ?? false);
  };
  const verify = async (temporary: string): Promise<void> => {
    await (await openSafetensors(temporary)).close();
  };
  const written = await replaceFileDurably(path, produce, {
    signal: options.signal,
    expectedBytes: byteLength,
    verify,
  });
  return {
    byteLength,
    tensorCount: layout.tensors.length,
    sha256: written.sha256,
    dataSha256: dataHash.digest('hex'),
  };
}
