/** The arithmetic of one thread: reads ranges of tensors, runs the method, rounds, writes. */
import { crc32 } from 'node:zlib';
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import { checkpointError } from '../../checkpoints/fail.ts';
import type { OutputDType } from '../../checkpoints/writer.ts';
import type { AppError } from '../../lib/errors.ts';
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
import { Scratch } from './scratch.ts';
import { TensorReader } from './tensor-reader.ts';
import { encoderOf } from './values.ts';

type Request<Kind extends keyof Tasks> = Tasks[Kind]['request'];
type GroupRequest = Request<'mergeToMemory'>;

export class MergeThread {
  readonly #data: MergeThreadData;
  readonly #method: Method;
  readonly #output = new OutputFiles();
  readonly #scratch = new Scratch();
  readonly #reader = new TensorReader(this.#scratch);
  /** Of passes free of order, by their number. */
  readonly #tallies = new Map<number, unknown>();
  readonly #linear: LinearAlgebra;
  /** Of the passes so far; the first of them has seen all values that are merged. */
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
    const own = pass.orderFree === true ? this.#own(request.pass) : this.#begin(request.pass);
    const context = this.#context(request);
    for await (const group of this.#groups(request)) {
      pass.add(own, group, request.settings.parameters, context);
    }
    return pass.orderFree === true ? undefined : own;
  }

  collect({ pass }: { readonly pass: number }): unknown {
    const own = this.#own(pass);
    this.#tallies.delete(pass);
    return own;
  }

  #own(pass: number): unknown {
    const own = this.#tallies.get(pass) ?? this.#begin(pass);
    this.#tallies.set(pass, own);
    return own;
  }

  #begin(pass: number): unknown {
    return this.#pass(pass).begin(this.#data.totals, this.#prepared);
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
      const values = await this.#reader.values(from, tile, 'base');
      writer.add(this.#encode(dtype, values, () => overflow(dtype, to.file, from.tensor)));
    }
    return writer.written;
  }

  async copy({ from, begin, end, to }: Request<'copy'>): Promise<WrittenPiece> {
    const writer = this.#writer(to);
    for (let at = begin; at < end; at += COPY_BYTES) {
      const bytes = this.#scratch.bytes('stored', Math.min(COPY_BYTES, end - at));
      await this.#reader.bytes(from, bytes, at);
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
    for (const [index, expert] of experts.entries()) {
      await this.#reader.bytes(expert, kernel.input(index, byteLength), begin * 2);
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
    const seen = this.#prepared !== undefined;
    for (const tile of this.#tiles(request)) {
      const values: Float32Array[] = [];
      for (const [index, expert] of experts.entries()) {
        values.push(await this.#reader.values(expert, tile, `expert ${index}`, seen));
      }
      const origin =
        base === undefined
          ? this.#scratch.floats('zeros', tile.end - tile.begin)
          : await this.#reader.values(base, tile, 'base', seen);
      yield { name, shape, offset: tile.begin, base: origin, experts: values };
    }
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
