/** The arithmetic of one thread: reads ranges of tensors, runs the method, rounds, writes. */
import { crc32 } from 'node:zlib';
import { NotRepresentable } from '../../checkpoints/convert.ts';
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import { checkpointError } from '../../checkpoints/fail.ts';
import { findNonFinite } from '../../checkpoints/half.ts';
import type { OutputDType } from '../../checkpoints/writer.ts';
import { AppError } from '../../lib/errors.ts';
import { createProducts } from '../../engine/onnx/product-chain.ts';
import { createLinearAlgebra, type LinearAlgebra } from '../linear-algebra.ts';
import { refuseNonFinite } from '../merge-groups.ts';
import type { Group, MergeContext, Method } from '../method.ts';
import { COPY_BYTES } from './budget.ts';
import { CombineKernel } from './combine-kernel.ts';
import { OutputFiles } from './output-files.ts';
import { tilesOf, type Range } from './pieces.ts';
import type {
  Destination,
  LocatedTensor,
  MergeThreadData,
  Tasks,
  WrittenPiece,
} from './protocol.ts';
import { StoredReader } from './stored-reader.ts';
import { decoderOf, encoderOf } from './values.ts';

/** Buffers that are used again and again; each grows to the largest size asked for. */
class Scratch {
  readonly #buffers = new Map<string, ArrayBuffer>();

  bytes(slot: string, count: number): Uint8Array {
    return new Uint8Array(this.#buffer(slot, count), 0, count);
  }

  floats(slot: string, count: number): Float32Array {
    return new Float32Array(this.#buffer(slot, count * 4), 0, count);
  }

  #buffer(slot: string, bytes: number): ArrayBuffer {
    const known = this.#buffers.get(slot);
    if (known !== undefined && known.byteLength >= bytes) return known;
    const buffer = new ArrayBuffer(Math.ceil(bytes / 8) * 8);
    this.#buffers.set(slot, buffer);
    return buffer;
  }
}

type Request<Kind extends keyof Tasks> = Tasks[Kind]['request'];
type GroupRequest = Request<'mergeToMemory'>;

export class MergeThread {
  readonly #data: MergeThreadData;
  readonly #method: Method;
  readonly #reader = new StoredReader();
  readonly #output = new OutputFiles();
  readonly #scratch = new Scratch();
  /** Of passes free of order, by their number. */
  readonly #tallies = new Map<number, unknown>();
  readonly #linear: LinearAlgebra;
  #prepared: unknown;
  /** Of the last weights asked for. */
  #kernel: { readonly key: string; readonly kernel: CombineKernel } | undefined;

  constructor(data: MergeThreadData, method: Method) {
    this.#data = data;
    this.#method = method;
    this.#linear = createLinearAlgebra(createProducts(data.productThreads));
  }

  prepare({ prepared }: Request<'prepare'>): void {
    this.#prepared = prepared;
  }

  async tally(request: Request<'tally'>): Promise<unknown> {
    const pass = this.#pass(request.pass);
    const own = pass.orderFree === true ? this.collect(request) : pass.begin(this.#data.totals);
    const context = this.#context(request);
    for await (const group of this.#groups(request)) {
      pass.add(own, group, request.settings.parameters, context);
    }
    return pass.orderFree === true ? undefined : own;
  }

  collect({ pass }: { readonly pass: number }): unknown {
    const known = this.#tallies.get(pass);
    if (known !== undefined) return known;
    const begun = this.#pass(pass).begin(this.#data.totals);
    this.#tallies.set(pass, begun);
    return begun;
  }

  async merge(request: Request<'merge'>): Promise<WrittenPiece> {
    const writer = this.#writer(request.to);
    const kernel = this.#kernelFor(request);
    for (const tile of this.#tiles(request)) {
      const stored = kernel && (await this.#combine(kernel, request.experts, tile));
      if (stored !== undefined) {
        writer.add(stored);
        continue;
      }
      // Also where the kernel met a value that is not finite: this way says which.
      for await (const [group, values] of this.#merged({ ...request, range: tile })) {
        writer.add(
          this.#encode(request.dtype, values, () => this.#explain(group, values, request)),
        );
      }
    }
    return writer.written;
  }

  async mergeToMemory(request: Request<'mergeToMemory'>): Promise<Float32Array> {
    const { begin, end } = request.range;
    const result = new Float32Array(end - begin);
    for await (const [group, values] of this.#merged(request)) {
      refuseNonFinite(this.#method, group, values);
      result.set(values, group.offset - begin);
    }
    return result;
  }

  async cast({ from, shape, range, dtype, to }: Request<'cast'>): Promise<WrittenPiece> {
    const writer = this.#writer(to);
    for (const tile of tilesOf('value', shape, range, this.#data.tileValues)) {
      const values = await this.#read(from, tile, 'base');
      writer.add(this.#encode(dtype, values, () => overflow(dtype, to.file, from.tensor)));
    }
    return writer.written;
  }

  async copy({ from, begin, end, to }: Request<'copy'>): Promise<WrittenPiece> {
    const { file, identity, begin: start } = from.location;
    const writer = this.#writer(to);
    for (let at = begin; at < end; at += COPY_BYTES) {
      const bytes = this.#scratch.bytes('stored', Math.min(COPY_BYTES, end - at));
      await this.#reader.read(file, identity, bytes, start + at);
      if (from.temporary) this.#reader.close(file);
      writer.add(bytes);
    }
    return writer.written;
  }

  /** The fast way of weighted sums, where everything is bf16. */
  #kernelFor({ dtype, experts, settings }: Request<'merge'>): CombineKernel | undefined {
    if (dtype !== 'BF16' || experts.some(({ location }) => location.dtype !== 'BF16')) return;
    const combination = this.#method.combination?.(settings.parameters, settings.settings);
    if (combination === undefined) return;
    const { weights, divisor } = combination;
    const key = JSON.stringify(combination);
    if (this.#kernel?.key !== key) {
      this.#kernel = { key, kernel: new CombineKernel(weights, divisor, this.#data.tileValues) };
    }
    return this.#kernel.kernel;
  }

  async #combine(
    kernel: CombineKernel,
    experts: readonly LocatedTensor[],
    { begin, end }: Range,
  ): Promise<Uint8Array | undefined> {
    const byteLength = (end - begin) * 2;
    for (const [index, { location, temporary }] of experts.entries()) {
      const { file, identity, begin: start } = location;
      const target = kernel.input(index, byteLength);
      await this.#reader.read(file, identity, target, start + begin * 2);
      if (temporary) this.#reader.close(file);
    }
    return kernel.combine(byteLength);
  }

  #tiles({ shape, range }: GroupRequest): Range[] {
    return tilesOf(this.#method.unit, shape, range, this.#data.tileValues);
  }

  #pass(index: number) {
    const { parameters, settings } = this.#data.settings;
    return this.#method.passes!(parameters, settings)[index]!;
  }

  #context({ settings }: GroupRequest): MergeContext {
    const { seed } = this.#data;
    return { settings: settings.settings, seed, prepared: this.#prepared, linear: this.#linear };
  }

  async *#merged(request: GroupRequest): AsyncGenerator<[Group, Float32Array], void, undefined> {
    const context = this.#context(request);
    for await (const group of this.#groups(request)) {
      const merging = this.#method.merge(group, request.settings.parameters, context);
      const values = merging instanceof Promise ? await merging : merging;
      if (values.length !== group.base.length) {
        const counts = `${values.length} values for ${group.base.length}`;
        throw new Error(`method "${this.#method.id}" gives ${counts}`);
      }
      yield [group, values];
    }
  }

  /** The tiles of a range; each is gone when the next is asked for. */
  async *#groups(request: GroupRequest): AsyncGenerator<Group> {
    const { name, shape, base, experts } = request;
    for (const tile of this.#tiles(request)) {
      const values: Float32Array[] = [];
      for (const [index, expert] of experts.entries()) {
        values.push(await this.#read(expert, tile, `expert ${index}`));
      }
      const origin =
        base === undefined
          ? this.#scratch.floats('zeros', tile.end - tile.begin)
          : await this.#read(base, tile, 'base');
      yield { name, shape, offset: tile.begin, base: origin, experts: values };
    }
  }

  async #read(from: LocatedTensor, { begin, end }: Range, slot: string): Promise<Float32Array> {
    const { file, identity, dtype, begin: start } = from.location;
    const decode = decoderOf(dtype);
    const fault = { file: from.checkpoint, tensor: from.tensor };
    if (decode === undefined) {
      throw checkpointError('checkpoint.dtype_unsupported', {
        ...fault,
        what: `${dtype} has no conversion to fp32`,
        hint: 'save the checkpoint as F32, F16 or BF16 first',
      });
    }
    const width = bitsPerElement(dtype) / 8;
    const bytes = this.#scratch.bytes('stored', (end - begin) * width);
    await this.#reader.read(file, identity, bytes, start + begin * width);
    if (from.temporary) this.#reader.close(file);
    const values = this.#scratch.floats(slot, end - begin);
    try {
      if (decode(bytes, values)) return values;
    } catch (error) {
      if (!(error instanceof NotRepresentable)) throw error;
      throw checkpointError('checkpoint.value_not_representable', {
        ...fault,
        what: `${error.message} at index ${begin + error.index} cannot be expressed in fp32`,
        hint: 'leave this tensor out of the merge, or save it as F32',
      });
    }
    const { count, firstIndex } = findNonFinite(values);
    throw new AppError('merge.non_finite', {
      what: `${count} of ${values.length} values looked at are NaN or infinite, the first at index ${begin + firstIndex}`,
      where: `tensor "${from.tensor}" of ${from.checkpoint}`,
      hint: 'leave this checkpoint out, or fetch or save it again: its training has probably diverged',
    });
  }

  #encode(dtype: OutputDType, values: Float32Array, fault: () => unknown): Uint8Array {
    const bytes = this.#scratch.bytes('encoded', (values.length * bitsPerElement(dtype)) / 8);
    if (!encoderOf(dtype)(values, bytes)) throw fault();
    return bytes;
  }

  /** Why values cannot be written. */
  #explain(group: Group, values: Float32Array, { dtype, to }: Request<'merge'>): unknown {
    refuseNonFinite(this.#method, group, values);
    return overflow(dtype, to.file, group.name);
  }

  #writer({ file, position }: Destination): PieceWriter {
    return new PieceWriter((bytes, offset) => this.#output.write(file, bytes, position + offset));
  }
}

function overflow(dtype: OutputDType, file: string, tensor: string): AppError {
  return checkpointError('checkpoint.value_overflow', {
    what: `a value is too large for ${dtype}`,
    file,
    tensor,
    hint: dtype === 'F16' ? 'write BF16 or F32 instead' : 'write F32 instead',
  });
}

/** Writes the parts of a piece one after another and sums them up. */
class PieceWriter {
  readonly #write: (bytes: Uint8Array, offset: number) => void;
  #bytes = 0;
  #crc32 = 0;

  constructor(write: (bytes: Uint8Array, offset: number) => void) {
    this.#write = write;
  }

  add(bytes: Uint8Array): void {
    this.#write(bytes, this.#bytes);
    this.#crc32 = crc32(bytes, this.#crc32);
    this.#bytes += bytes.byteLength;
  }

  get written(): WrittenPiece {
    return { bytes: this.#bytes, crc32: this.#crc32 };
  }
}
