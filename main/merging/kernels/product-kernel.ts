/**
 * Inner products of all pairs of a few vectors as vector code, in the lanes of `elementwise/lane-sums.ts`:
 * the sums of `addProduct`, in the same order, and so the same bits.
 */
import { LANES } from '../elementwise/lane-sums.ts';
import {
  add,
  addI32,
  block,
  branch,
  branchIf,
  compile,
  get,
  i32,
  load,
  Locals,
  loop,
  memoryOf,
  multiply,
  notBelow,
  set,
  store,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Values of a block, of which eight vectors fit into the fastest cache. */
export const PRODUCT_BLOCK = 256;
const PLANE = PRODUCT_BLOCK * 8;
const LANE_BYTES = LANES * 8;

const signature: Signature = { parameters: ['i32', 'i32', 'i32', 'i32'] };
/** Where two vectors and the lanes of their sum lie, and the end of the left one. */
type Run = (left: number, right: number, sum: number, end: number) => void;

function assemble(memory: Memory): Run {
  const [left, right, sum, end] = [0, 1, 2, 3] as const;
  const locals = new Locals(signature);
  const pairs = locals.take('v128', LANES / 2);
  const body = [
    pairs.map((pair, at) => set(pair, load(get(sum), 16 * at))),
    block(
      loop(
        branchIf(1, notBelow(get(left), get(end))),
        pairs.map((pair, at) =>
          set(pair, add(get(pair), multiply(load(get(left), 16 * at), load(get(right), 16 * at)))),
        ),
        set(left, addI32(get(left), i32(LANE_BYTES))),
        set(right, addI32(get(right), i32(LANE_BYTES))),
        branch(0),
      ),
    ),
    pairs.map((pair, at) => store(get(sum), get(pair), 16 * at)),
  ];
  return compile(memory, signature, locals, body);
}

export class ProductKernel {
  /** A block of each vector; values come to the lane of their index. */
  readonly vectors: readonly Float64Array[];
  /** Of ⟨vi, vj⟩ for j ≤ i, row by row. */
  readonly lanes: Float64Array;
  readonly #run: Run;
  readonly #planes: number;

  constructor(count: number) {
    const sums = (count * (count + 1)) / 2;
    this.#planes = sums * LANE_BYTES;
    const memory = memoryOf(this.#planes + count * PLANE);
    const { buffer } = memory;
    this.lanes = new Float64Array(buffer, 0, sums * LANES);
    this.vectors = Array.from(
      { length: count },
      (_, k) => new Float64Array(buffer, this.#planes + k * PLANE, PRODUCT_BLOCK),
    );
    this.#run = assemble(memory);
  }

  /** Adds the products of the first `count` values of all vectors; a multiple of the lanes. */
  add(count: number): void {
    let sum = 0;
    for (let i = 0; i < this.vectors.length; i++) {
      const left = this.#planes + i * PLANE;
      for (let j = 0; j <= i; j++) {
        this.#run(left, this.#planes + j * PLANE, sum, left + 8 * count);
        sum += LANE_BYTES;
      }
    }
  }
}
