/** The tensors of a PyTorch file as a checkpoint: views of storages that lie in the file. */
import type { Tensor } from '../../lib/tensor.ts';
import { elementCount } from '../../lib/tensor.ts';
import type {
  CheckpointSource,
  StoredCheckpoint,
  TensorInfo,
  TensorLocation,
} from '../checkpoint.ts';
import { bitsPerElement } from '../dtype.ts';
import { checkpointError, shown, tensorMissing } from '../fail.ts';
import { MAX_TENSOR_BYTES, readFp32 } from '../fp32.ts';
import { CHUNK_BYTES, type WeightFile } from '../weight-file.ts';
import { gather, swapBytes, type ElementBytes } from './gather.ts';
import type { StateDict } from './state-dict.ts';
import type { StorageNode, TensorNode } from './values.ts';
import { isContiguous, reachOf } from './view.ts';

/** Where the bytes of a storage lie, and how to compare their checksum where there is one. */
export interface StoredRange {
  readonly begin: number;
  readonly verify?: () => Promise<void>;
}

export interface PyTorchContents {
  readonly file: WeightFile;
  readonly format: string;
  readonly bigEndian: boolean;
  readonly stateDict: StateDict;
  readonly ranges: ReadonlyMap<StorageNode, StoredRange>;
  readonly warnings: readonly string[];
}

const list = (names: readonly string[]): string =>
  names
    .slice(0, 3)
    .map((name) => `"${shown(name)}"`)
    .join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '');

/** Names by the storage they look at, where several do. */
function sharingGroups(tensors: ReadonlyMap<string, TensorNode>): readonly (readonly string[])[] {
  const names = new Map<StorageNode, string[]>();
  for (const [name, { storage }] of tensors) {
    if (storage.count === 0) continue;
    const group = names.get(storage);
    if (group === undefined) names.set(storage, [name]);
    else group.push(name);
  }
  return [...names.values()].filter((group) => group.length > 1);
}

function warningsOf(contents: PyTorchContents, shared: readonly (readonly string[])[]): string[] {
  const { stateDict, bigEndian } = contents;
  const warnings = [...stateDict.warnings, ...contents.warnings];
  const [first] = shared;
  if (first !== undefined) {
    const groups = shared.length === 1 ? '' : ` in ${shared.length} groups`;
    const what = `${shared.flat().length} tensors share their bytes${groups} (${list(first)})`;
    warnings.push(`${what}; each is written on its own.`);
  }
  const views = [...stateDict.tensors].filter(([, tensor]) => !isContiguous(tensor));
  if (views.length > 0) {
    const noun = views.length === 1 ? 'tensor is a view' : 'tensors are views';
    const names = list(views.map(([name]) => name));
    warnings.push(`${views.length} ${noun} with gaps or turned axes (${names}); copied when read.`);
  }
  if (bigEndian) warnings.push('The file is big-endian; its numbers are turned round when read.');
  return warnings;
}

export class PyTorchCheckpoint implements StoredCheckpoint {
  readonly path: string;
  readonly config: unknown;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly warnings: readonly string[];
  readonly source: CheckpointSource;
  readonly #contents: PyTorchContents;
  /** Storages whose checksum has been compared. */
  readonly #verified = new Set<StorageNode>();
  #closed = false;

  constructor(path: string, config: unknown, contents: PyTorchContents) {
    const { file, format, stateDict } = contents;
    this.path = path;
    this.config = config;
    this.metadata = stateDict.metadata;
    this.tensors = new Map(
      [...stateDict.tensors].map(([name, { storage, shape }]) => {
        const byteLength = (elementCount(shape) * bitsPerElement(storage.dtype)) / 8;
        return [name, { name, dtype: storage.dtype, shape, byteLength }];
      }),
    );
    const shared = sharingGroups(stateDict.tensors);
    this.source = { format, files: [file.path], shared };
    this.warnings = warningsOf(contents, shared);
    this.#contents = contents;
  }

  async read(name: string): Promise<Tensor> {
    this.#tensor(name);
    return readFp32(this.tensors.get(name)!, this.#contents.file.path, {
      chunks: () => this.chunks(name),
    });
  }

  async *chunks(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    const tensor = this.#tensor(name);
    const { file, bigEndian } = this.#contents;
    await this.verify(name);
    if (!isContiguous(tensor)) {
      yield* this.#gathered(name, tensor);
      return;
    }
    const { begin, end, width } = this.#span(tensor);
    for await (const chunk of file.chunks(begin, end)) {
      if (bigEndian) swapBytes(chunk, width);
      yield chunk;
    }
  }

  locate(name: string): TensorLocation | undefined {
    const tensor = this.#tensor(name);
    const { file, bigEndian } = this.#contents;
    const { begin, end, width } = this.#span(tensor);
    const turned = bigEndian && width > 1;
    if (turned || !isContiguous(tensor) || !this.#isVerified(tensor.storage)) return undefined;
    return { file: file.path, begin, end, dtype: tensor.storage.dtype, identity: file.identity };
  }

  async verify(name: string): Promise<void> {
    const { storage } = this.#tensor(name);
    if (this.#isVerified(storage)) return;
    await this.#range(storage).verify?.();
    this.#verified.add(storage);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #isVerified(storage: StorageNode): boolean {
    return this.#verified.has(storage) || this.#range(storage).verify === undefined;
  }

  #range(storage: StorageNode): StoredRange {
    return this.#contents.ranges.get(storage)!;
  }

  #tensor(name: string): TensorNode {
    if (this.#closed) throw new Error(`the checkpoint ${this.path} is closed`);
    const tensor = this.#contents.stateDict.tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw tensorMissing(this.#contents.file.path, this.tensors.size, name);
  }

  /** The bytes of the file from the first element a view touches to the last. */
  #span({ storage, offset, shape, strides }: TensorNode): {
    readonly begin: number;
    readonly end: number;
    readonly width: ElementBytes;
  } {
    const width = (bitsPerElement(storage.dtype) / 8) as ElementBytes;
    const { begin } = this.#range(storage);
    const reach = reachOf(offset, shape, strides);
    return { begin: begin + offset * width, end: begin + reach * width, width };
  }

  async *#gathered(name: string, tensor: TensorNode): AsyncGenerator<Uint8Array, void, undefined> {
    const { file, bigEndian } = this.#contents;
    const { begin, end, width } = this.#span(tensor);
    if (end - begin > MAX_TENSOR_BYTES) {
      throw checkpointError('checkpoint.tensor_too_large', {
        what: `the tensor is a view over ${end - begin} bytes, more than can be allocated`,
        file: file.path,
        tensor: name,
        hint: 'save the file again with contiguous tensors',
      });
    }
    const span = new Uint8Array(end - begin);
    await file.readInto(span, begin);
    if (bigEndian) swapBytes(span, width);
    yield* gather(span, tensor, width, CHUNK_BYTES / width);
  }
}
