/**
 * Views of a checkpoint under other names: tensors renamed, cut into rows, joined or transposed while they
 * are read. Nothing is copied until a tensor is asked for.
 */
import { elementCount, type Tensor } from '../lib/tensor.ts';
import type {
  CheckpointSource,
  StoredCheckpoint,
  TensorInfo,
  TensorLocation,
} from './checkpoint.ts';
import { bitsPerElement } from './dtype.ts';
import { checkpointError, shown, tensorMissing } from './fail.ts';
import { readFp32 } from './fp32.ts';
import { gather, type ElementBytes } from './pytorch/gather.ts';
import { CHUNK_BYTES } from './weight-file.ts';

/** Rows `begin` to `end` of a stored tensor; all of it without `rows`. */
export interface Part {
  readonly from: string;
  readonly rows?: readonly [begin: number, end: number];
}

/** How one tensor of a view is made: parts joined along the first axis, or one matrix transposed. */
export interface ViewedTensor {
  readonly parts: readonly Part[];
  readonly transposed?: boolean;
}

/** New name to what it is made of. */
export type TensorViews = ReadonlyMap<string, ViewedTensor>;

class ViewedCheckpoint implements StoredCheckpoint {
  readonly path: string;
  readonly config: unknown;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly warnings: readonly string[];
  readonly source: CheckpointSource;
  readonly #stored: StoredCheckpoint;
  readonly #views: TensorViews;

  constructor(stored: StoredCheckpoint, views: TensorViews, notes: readonly string[]) {
    this.#stored = stored;
    this.#views = views;
    this.path = stored.path;
    this.config = stored.config;
    this.metadata = stored.metadata;
    this.tensors = new Map([...views].map(([name, view]) => [name, this.#info(name, view)]));
    this.warnings = [...stored.warnings, ...notes];
    const names = new Map(
      [...views].flatMap(([name, { parts }]) => parts.map(({ from }) => [from, name])),
    );
    const shared = stored.source.shared.map((group) =>
      group.map((name) => names.get(name) ?? name),
    );
    this.source = { ...stored.source, shared };
  }

  async read(name: string): Promise<Tensor> {
    const [only, ...more] = this.#view(name).parts;
    const info = this.tensors.get(name)!;
    if (only !== undefined && more.length === 0 && this.#isWhole(name)) {
      return { ...(await this.#stored.read(only.from)), shape: info.shape };
    }
    return readFp32(info, this.path, { chunks: () => this.chunks(name) });
  }

  async *chunks(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    const view = this.#view(name);
    if (view.transposed === true) {
      yield* this.#transposed(view.parts[0]!);
      return;
    }
    for (const part of view.parts) yield* this.#part(part);
  }

  locate(name: string): TensorLocation | undefined {
    const { parts, transposed = false } = this.#view(name);
    const [part] = parts;
    const place = part === undefined ? undefined : this.#stored.locate(part.from);
    if (transposed || parts.length !== 1 || place === undefined) return undefined;
    const [begin, end] = this.#byteRange(part!);
    return { ...place, begin: place.begin + begin, end: place.begin + end };
  }

  async verify(name: string): Promise<void> {
    for (const { from } of this.#view(name).parts) await this.#stored.verify(from);
  }

  async close(): Promise<void> {
    await this.#stored.close();
  }

  #view(name: string): ViewedTensor {
    const view = this.#views.get(name);
    if (view !== undefined) return view;
    throw tensorMissing(this.path, this.tensors.size, name);
  }

  #isWhole(name: string): boolean {
    const { parts, transposed = false } = this.#view(name);
    return !transposed && parts.length === 1 && parts[0]!.rows === undefined;
  }

  #storedInfo(from: string): TensorInfo {
    const info = this.#stored.tensors.get(from);
    if (info === undefined) throw tensorMissing(this.path, this.#stored.tensors.size, from);
    return info;
  }

  #info(name: string, { parts, transposed = false }: ViewedTensor): TensorInfo {
    const fail = (what: string): never => {
      const hint = 'choose a checkpoint whose layout fits the names asked for';
      throw checkpointError('checkpoint.shape_invalid', {
        what,
        file: this.path,
        tensor: name,
        hint,
      });
    };
    const first = this.#storedInfo(parts[0]!.from);
    const { dtype, shape } = first;
    const computed = transposed || parts.length > 1 || parts[0]!.rows !== undefined;
    if (!computed) return { ...first, name };
    if (bitsPerElement(dtype) < 8) fail(`${dtype} cannot be cut or turned`);
    if (transposed) {
      if (shape.length !== 2) fail(`[${shape.join(', ')}] is no matrix and cannot be transposed`);
      return { ...first, name, shape: shape.toReversed() };
    }
    let rowCount = 0;
    for (const { from, rows } of parts) {
      const part = this.#storedInfo(from);
      const fits =
        part.dtype === dtype &&
        part.shape.length > 0 &&
        part.shape.length === shape.length &&
        part.shape.every((size, axis) => axis === 0 || size === shape[axis]);
      const [begin, end] = rows ?? [0, part.shape[0] ?? 0];
      const cut = Number.isInteger(begin) && Number.isInteger(end) && end <= (part.shape[0] ?? 0);
      if (!fits || !cut) fail(`"${shown(from)}" does not have the rows it needs`);
      rowCount += end - begin;
    }
    const newShape = [rowCount, ...shape.slice(1)];
    const byteLength = (elementCount(newShape) * bitsPerElement(dtype)) / 8;
    return { name, dtype, shape: newShape, byteLength };
  }

  /** The bytes of a part, counted from the beginning of its tensor. */
  #byteRange({ from, rows }: Part): readonly [number, number] {
    const { shape, byteLength } = this.#storedInfo(from);
    if (rows === undefined) return [0, byteLength];
    const rowBytes = byteLength / (shape[0] ?? 1);
    return [rows[0] * rowBytes, rows[1] * rowBytes];
  }

  async *#part(part: Part): AsyncGenerator<Uint8Array, void, undefined> {
    const [begin, end] = this.#byteRange(part);
    let position = 0;
    for await (const chunk of this.#stored.chunks(part.from)) {
      const [from, to] = [Math.max(begin - position, 0), Math.min(end - position, chunk.length)];
      // A copy where the cut is not at the chunk's beginning: converters need aligned elements.
      if (from < to) yield from === 0 ? chunk.subarray(0, to) : chunk.slice(from, to);
      position += chunk.length;
      if (position >= end) return;
    }
  }

  async *#transposed({ from }: Part): AsyncGenerator<Uint8Array, void, undefined> {
    const { dtype, shape, byteLength } = this.#storedInfo(from);
    const [rows = 1, columns = 1] = shape;
    const whole = new Uint8Array(byteLength);
    let position = 0;
    for await (const chunk of this.#stored.chunks(from)) {
      whole.set(chunk, position);
      position += chunk.length;
    }
    const width = (bitsPerElement(dtype) / 8) as ElementBytes;
    const view = { shape: [columns, rows], strides: [1, columns] };
    yield* gather(whole, view, width, CHUNK_BYTES / width);
  }
}

/** The checkpoint under the names of `views`, with `notes` added to its warnings. Checks that all fits. */
export function viewed(
  checkpoint: StoredCheckpoint,
  views: TensorViews,
  notes: readonly string[] = [],
): StoredCheckpoint {
  return new ViewedCheckpoint(checkpoint, views, notes);
}

/** The checkpoint with every tensor under the name `rename` gives it. */
function renamed(
  checkpoint: StoredCheckpoint,
  rename: (name: string) => string,
  notes: readonly string[],
): StoredCheckpoint {
  const names = [...checkpoint.tensors.keys()];
  const views = new Map(names.map((from) => [rename(from), { parts: [{ from }] }]));
  return viewed(checkpoint, views, notes);
}

/** The same checkpoint with more warnings. */
export function withWarnings(
  checkpoint: StoredCheckpoint,
  notes: readonly string[],
): StoredCheckpoint {
  return renamed(checkpoint, (name) => name, notes);
}

/** What DataParallel and torch.compile put before every name. */
const WRAPPER_PREFIXES = ['module.', '_orig_mod.'] as const;

/** Takes prefixes of training wrappers off, where every name has them, and says so in the warnings. */
export function unwrapped(checkpoint: StoredCheckpoint): StoredCheckpoint {
  const names = [...checkpoint.tensors.keys()];
  const [first] = names;
  if (first === undefined) return checkpoint;
  const prefixAt = (skip: number): string | undefined =>
    WRAPPER_PREFIXES.find((prefix) =>
      names.every((name) => name.length > skip + prefix.length && name.startsWith(prefix, skip)),
    );
  let length = 0;
  for (let prefix = prefixAt(0); prefix !== undefined; prefix = prefixAt(length)) {
    length += prefix.length;
  }
  if (length === 0) return checkpoint;
  const note = `"${first.slice(0, length)}" before every name is left out.`;
  return renamed(checkpoint, (name) => name.slice(length), [note]);
}
