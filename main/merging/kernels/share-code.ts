/**
 * How PCB-Merging averages, as vector code: the shares of the listed values and what they are shares of are added
 * up by place, then divided and added to the base. The same operations in the same order as in fp64 elsewhere.
 */
import { Constants } from './constants.ts';
import {
  add,
  addI32,
  block,
  branch,
  branchIf,
  compile,
  demote,
  divide,
  doublesOf,
  get,
  i32,
  isZero,
  load,
  loadHalf,
  loadI32,
  Locals,
  loop,
  magnitude,
  multiply,
  notBelow,
  promoteHigh,
  promoteLow,
  select,
  set,
  store,
  subtract,
  vector,
  zeros,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Byte offsets of the planes of a block. */
export interface ShareLayout {
  readonly base: number;
  readonly places: number;
  readonly scores: number;
  readonly changes: number;
  /** Pairs of fp64 by place: Σ share × change, and Σ share. */
  readonly shares: number;
  /** Merged values, fp32. */
  readonly merged: number;
  /** `CONSTANT_BYTES` of memory. */
  readonly constants: number;
}

/** No sum of shares is less when something is divided by it. */
const LEAST_SUM = 1e-12;

const splat = (local: number): Code => vector(0x14, get(local));
const lesser = (left: Code, right: Code): Code => vector(0xf4, left, right);
const greater = (left: Code, right: Code): Code => vector(0xf5, left, right);

/** A share is where in the range of `low` and as wide as `width` a score lies; the change is clamped in magnitude. */
type AddShares = (
  bytes: number,
  least: number,
  greatest: number,
  low: number,
  high: number,
  width: number,
) => void;

/** For so many bytes of places, a multiple of 8. */
export function assembleAddShares(memory: Memory, layout: ShareLayout): AddShares {
  const signature: Signature = { parameters: ['i32', 'f64', 'f64', 'f64', 'f64', 'f64'] };
  const [bytes, least, greatest, low, high, width] = [0, 1, 2, 3, 4, 5] as const;
  const constants = new Constants(memory, layout.constants);
  const sign = constants.of(Float64Array.of(-0));
  const locals = new Locals(signature);
  const [at, address] = locals.take('i32', 2) as [number, number];
  const [share, change] = locals.take('v128', 2) as [number, number];
  const clamp = (value: Code, from: number, to: number): Code =>
    lesser(greater(value, splat(from)), splat(to));
  const addPair = (lane: 0 | 1): Code => [
    // 16 bytes for each place.
    set(address, [loadI32(get(at), layout.places + 4 * lane), i32(4), 0x74]),
    store(
      get(address),
      add(load(get(address), layout.shares), doublesOf(change, share, lane)),
      layout.shares,
    ),
  ];
  const body: Code = block(
    loop(
      branchIf(1, notBelow(get(at), get(bytes))),
      set(share, promoteLow(loadHalf(get(at), layout.scores))),
      set(share, divide(subtract(clamp(get(share), low, high), splat(low)), splat(width))),
      set(change, load(addI32(get(at), get(at)), layout.changes)),
      set(
        change,
        select(
          zeros,
          select(get(change), clamp(magnitude(get(change)), least, greatest), sign),
          isZero(get(change)),
        ),
      ),
      set(change, multiply(get(share), get(change))),
      addPair(0),
      addPair(1),
      set(at, addI32(get(at), i32(8))),
      branch(0),
    ),
  );
  return compile(memory, signature, locals, body);
}

/** Writes base + λ Σ share × change / Σ share for so many bytes of the base, a multiple of 16, and forgets the sums. */
export function assembleMerge(
  memory: Memory,
  layout: ShareLayout,
): (bytes: number, lambda: number) => void {
  const signature: Signature = { parameters: ['i32', 'f64'] };
  const [bytes, lambda] = [0, 1] as const;
  const locals = new Locals(signature);
  const [at, address] = locals.take('i32', 2) as [number, number];
  const [four, left, right, low, high] = locals.take('v128', 5) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const constants = new Constants(memory, layout.constants);
  const leastSum = constants.of(Float64Array.of(LEAST_SUM));
  const mergeTwo = (base: Code, half: 0 | 1, into: number): Code => [
    set(left, load(get(address), layout.shares + 32 * half)),
    set(right, load(get(address), layout.shares + 32 * half + 16)),
    store(get(address), zeros, layout.shares + 32 * half),
    store(get(address), zeros, layout.shares + 32 * half + 16),
    set(
      into,
      add(
        base,
        multiply(
          splat(lambda),
          divide(doublesOf(left, right, 0), greater(doublesOf(left, right, 1), leastSum)),
        ),
      ),
    ),
  ];
  const body: Code = block(
    loop(
      branchIf(1, notBelow(get(at), get(bytes))),
      set(address, [get(at), i32(2), 0x74]),
      set(four, load(get(at), layout.base)),
      mergeTwo(promoteLow(get(four)), 0, low),
      mergeTwo(promoteHigh(four), 1, high),
      store(get(at), demote(get(low), get(high)), layout.merged),
      set(at, addI32(get(at), i32(16))),
      branch(0),
    ),
  );
  return compile(memory, signature, locals, body);
}
