/** A base model with a LoRA adapter added: base + s · B A, computed when a tensor is read. */
import { elementCount, type Tensor } from '../lib/tensor.ts';
import type { Adapter, AdapterPair } from './adapter.ts';
import type {
  CheckpointSource,
  StoredCheckpoint,
  TensorInfo,
  TensorLocation,
} from './checkpoint.ts';
import { checkpointError, tensorMissing } from './fail.ts';
import { CHUNK_BYTES } from './weight-file.ts';

const OTHER_BASE = 'choose the base model the adapter was trained on';

function mismatch(what: string, adapter: Adapter, tensor: string): never {
  const fault = { what, file: adapter.path, tensor, hint: OTHER_BASE };
  throw checkpointError('adapter.mismatch', fault);
}

/**
 * How the adapter's module paths become names of the base: as they are, or without their first part, because
 * a base model saved without its head leaves that part out (`transformer.h.0…` is stored as `h.0…`).
 */
function nameMapping(base: StoredCheckpoint, adapter: Adapter): (name: string) => string {
  const targets = [...adapter.pairs.keys(), ...adapter.replacements.keys()];
  const mappings = [(name: string) => name, (name: string) => name.slice(name.indexOf('.') + 1)];
  const fitting = mappings.find((map) => targets.every((name) => base.tensors.has(map(name))));
  if (fitting !== undefined) return fitting;
  const lacking = targets.find((name) => !base.tensors.has(name)) ?? '';
  const missing = targets.filter((name) => !base.tensors.has(name)).length;
  const what = `the base model lacks this tensor, and ${missing - 1} more the adapter changes`;
  return mismatch(what, adapter, lacking);
}

function shapesText(...shapes: readonly (readonly number[])[]): string {
  return shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ');
}

class AdaptedCheckpoint implements StoredCheckpoint {
  readonly path: string;
  readonly config: unknown;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly warnings: readonly string[];
  readonly source: CheckpointSource;
  readonly #base: StoredCheckpoint;
  readonly #adapter: Adapter;
  readonly #pairs = new Map<string, AdapterPair>();
  readonly #replaced = new Map<string, string>();

  constructor(base: StoredCheckpoint, adapter: Adapter) {
    this.#base = base;
    this.#adapter = adapter;
    const map = nameMapping(base, adapter);
    for (const [target, pair] of adapter.pairs) {
      this.#pairs.set(map(target), pair);
      this.#checkPair(map(target), pair);
    }
    for (const [target, name] of adapter.replacements) {
      this.#replaced.set(map(target), name);
      this.#checkReplacement(map(target), name);
    }
    this.path = adapter.path;
    this.config = base.config;
    this.metadata = adapter.weights.metadata;
    this.tensors = new Map([...base.tensors.values()].map((info) => [info.name, this.#info(info)]));
    const what = `${adapter.path} is a LoRA adapter of rank ${adapter.config.rank}`;
    const note = `${what}: ${this.#pairs.size} tensors are base + B·A.`;
    this.warnings = [...base.warnings, ...adapter.weights.warnings, note];
    const files = [...base.source.files, ...adapter.weights.source.files];
    this.source = { format: 'LoRA adapter on a base model', files, shared: base.source.shared };
  }

  async read(name: string): Promise<Tensor> {
    const replaced = this.#replaced.get(name);
    if (replaced !== undefined) return this.#adapter.weights.read(replaced);
    const tensor = await this.#base.read(name);
    const pair = this.#pairs.get(name);
    if (pair === undefined) return tensor;
    const [a, b] = await Promise.all([
      this.#adapter.weights.read(pair.a),
      this.#adapter.weights.read(pair.b),
    ]);
    addProduct(tensor, a, b, pair.scaling, this.#isTurned(pair));
    return tensor;
  }

  async *chunks(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    const replaced = this.#replaced.get(name);
    if (replaced !== undefined) yield* this.#adapter.weights.chunks(replaced);
    else if (!this.#pairs.has(name)) yield* this.#base.chunks(name);
    else {
      const { data } = await this.read(name);
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        yield bytes.slice(at, at + CHUNK_BYTES);
      }
    }
  }

  locate(name: string): TensorLocation | undefined {
    const replaced = this.#replaced.get(name);
    if (replaced !== undefined) return this.#adapter.weights.locate(replaced);
    return this.#pairs.has(name) ? undefined : this.#base.locate(name);
  }

  async verify(name: string): Promise<void> {
    const replaced = this.#replaced.get(name);
    if (replaced !== undefined) return this.#adapter.weights.verify(replaced);
    if (!this.#base.tensors.has(name)) throw tensorMissing(this.path, this.tensors.size, name);
    return this.#base.verify(name);
  }

  /** Closes base and adapter. */
  async close(): Promise<void> {
    await Promise.all([this.#base.close(), this.#adapter.close()]);
  }

  /** ΔW is [out, in]; embeddings and fan-in-fan-out weights are kept the other way round. */
  #isTurned({ kind }: AdapterPair): boolean {
    return kind === 'embedding' || this.#adapter.config.fanInFanOut;
  }

  #checkPair(target: string, pair: AdapterPair): void {
    const { tensors } = this.#adapter.weights;
    const [shapeA, shapeB] = [tensors.get(pair.a)!.shape, tensors.get(pair.b)!.shape];
    const change = [shapeB[0]!, ...shapeA.slice(1)];
    const { shape } = this.#base.tensors.get(target)!;
    const turned = this.#isTurned(pair);
    const expected = turned && change.length === 2 ? change.toReversed() : change;
    const fits = shape.length === expected.length && shape.every((size, i) => size === expected[i]);
    if (fits && !(turned && change.length !== 2)) return;
    const what = `the weight is ${shapesText(shape)}, but the change is ${shapesText(expected)}`;
    mismatch(what, this.#adapter, target);
  }

  #checkReplacement(target: string, name: string): void {
    const { shape } = this.#base.tensors.get(target)!;
    const own = this.#adapter.weights.tensors.get(name)!.shape;
    if (own.length === shape.length && own.every((size, i) => size === shape[i])) return;
    const what = `the tensor and its replacement are ${shapesText(shape, own)}`;
    mismatch(what, this.#adapter, target);
  }

  /** A changed tensor is computed in fp32, so it is given as such: no rounding before the merge's own. */
  #info(info: TensorInfo): TensorInfo {
    const replaced = this.#replaced.get(info.name);
    if (replaced !== undefined) {
      return { ...this.#adapter.weights.tensors.get(replaced)!, name: info.name };
    }
    if (!this.#pairs.has(info.name)) return info;
    return { ...info, dtype: 'F32', byteLength: elementCount(info.shape) * 4 };
  }
}

/** W += s · B A, or its transpose, with sums in fp64 and one rounding. A is [r, in…], B is [out, r, 1…]. */
function addProduct(weight: Tensor, a: Tensor, b: Tensor, scaling: number, turned: boolean): void {
  const rank = a.shape[0] ?? 0;
  const outs = b.shape[0] ?? 0;
  const ins = rank === 0 ? 0 : a.data.length / rank;
  const { data } = weight;
  const row = new Float64Array(ins);
  for (let out = 0; out < outs; out++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = b.data[out * rank + k]! * scaling;
      const from = k * ins;
      for (let i = 0; i < ins; i++) row[i]! += factor * a.data[from + i]!;
    }
    const [begin, step] = turned ? [out, outs] : [out * ins, 1];
    for (let i = 0; i < ins; i++) data[begin + i * step]! += row[i]!;
  }
}

/**
 * The base with the adapter added, tensor by tensor as they are read. Owns both: closing it closes them.
 * Throws `adapter.mismatch` for a tensor the base lacks or a shape that does not fit.
 */
export function applyAdapter(base: StoredCheckpoint, adapter: Adapter): StoredCheckpoint {
  return new AdaptedCheckpoint(base, adapter);
}
