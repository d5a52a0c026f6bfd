/**
 * Scores of PCB-Merging that are nearly right, four at a time in fp32, and which of them may not be: most scores
 * only need to be told from those that matter. Powers of two are 2^n × 2^r with |r| ≤ 1/2 and 2^r by a cubic that is
 * right to 1e-4; the hyperbolic tangent of x up to 1/40 is x, which is right to 2.1e-4; rounding adds less than 1e-4
 * (`MOST_RATIO` sees to that). Together that is less than the 4.8e-4 of `MOST_OFF`.
 */
import { compressor } from './compress.ts';
import { Constants } from './constants.ts';
import {
  addI32,
  addWords,
  and,
  block,
  branch,
  branchIf,
  compile,
  get,
  i32,
  load,
  Locals,
  loop,
  notBelow,
  op,
  or,
  set,
  store,
  vector,
  wordLanes,
  words,
  zeros,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** The key of an estimate lies at most so far from that of the score: a relative 2^−11 just above a power of two. */
export const MOST_OFF = 2 ** 13;
/** Below it products may have lost bits. */
export const LEAST_ESTIMATE = 2 ** -100;
const LEAST_POWER = -120;
/** Added to a number it leaves the nearest integer in the lower bits. */
const TO_INTEGER = 1.5 * 2 ** 23;
const MOST_ANGLE = 1 / 40;

/** Byte offsets of the planes of a block. */
export interface EstimateLayout {
  readonly base: number;
  /** Of the experts, one after another. */
  readonly experts: number;
  readonly plane: number;
  /** Σ τj in fp64, as wide as two others, and in fp32. */
  readonly sums: number;
  readonly roundedSums: number;
  /** What is listed, and room for four more. */
  readonly places: number;
  readonly counts: number;
  /** `COMPRESS_BYTES` of memory. */
  readonly table: number;
  /** `CONSTANT_BYTES` of memory. */
  readonly constants: number;
}

const add = (left: Code, right: Code): Code => vector(0xe4, left, right);
const subtract = (left: Code, right: Code): Code => vector(0xe5, left, right);
const multiply = (left: Code, right: Code): Code => vector(0xe6, left, right);
const lesser = (left: Code, right: Code): Code => vector(0xea, left, right);
const greater = (left: Code, right: Code): Code => vector(0xeb, left, right);
const magnitude = (value: Code): Code => vector(0xe0, value);
const not = (value: Code): Code => vector(0x4d, value);
const butNot = (value: Code, other: Code): Code => vector(0x4f, value, other);
/** An fp64 local, rounded to fp32, in all lanes. */
const splat = (local: number): Code => vector(0x13, op(0xb6, get(local)));

/**
 * Of the expert whose plane lies at an offset from the first. The exponential is 2^((scale × (|τ| − least))² − power), so
 * power is K / ln 2 and scale √power / (greatest − least). Estimates below `leastCertain` count as doubtful unless
 * there is no change. Lists the places of all that are doubtful, from `low` to `high`, or not below `top`; counts the
 * others above `high`, in four lanes. Returns how many it lists.
 */
type Sift = (
  bytes: number,
  offset: number,
  least: number,
  greatest: number,
  scale: number,
  power: number,
  leastCertain: number,
  low: number,
  high: number,
  top: number,
) => number;

/** Through 2^r at the four Chebyshev nodes of [−1/2, 1/2]. */
const cubic = [0.9999245405197144, 0.6931367516517639, 0.2426394820213318, 0.05583828315138817];

export function assembleSift(memory: Memory, layout: EstimateLayout): Sift {
  const signature: Signature = {
    parameters: ['i32', 'i32', 'f64', 'f64', 'f64', 'f64', 'f64', 'f64', 'f64', 'f64'],
    result: 'i32',
  };
  const [bytes, offset] = [0, 1] as const;
  const numbers = [2, 3, 4, 5, 6, 7, 8, 9] as const;
  const locals = new Locals(signature);
  const [at, end, mask] = locals.take('i32', 3) as [number, number, number];
  const vectors = locals.take('v128', 18);
  const splats = vectors.slice(0, numbers.length) as [Local, Local, ...Local[]];
  const [from, to, scaling, exponent, smallest, low, high, top] = splats as Eight;
  const [change, angle, value, whole, rest, estimate, unsure, above] = vectors.slice(8) as Eight;
  const [place, count] = vectors.slice(16) as [Local, Local];
  const constants = new Constants(memory, layout.constants);
  const single = (number: number) => constants.of(Float32Array.of(number));
  const toInteger = single(TO_INTEGER);
  const [constant, linear, square, cube] = cubic.map(single) as [Code, Code, Code, Code];
  const powerOfRest = add(
    add(constant, multiply(get(rest), linear)),
    multiply(multiply(get(rest), get(rest)), add(square, multiply(get(rest), cube))),
  );
  const list = compressor(memory, layout.table);
  const estimateFour: Code = [
    set(
      change,
      subtract(load(addI32(get(at), get(offset)), layout.experts), load(get(at), layout.base)),
    ),
    set(angle, multiply(get(change), load(get(at), layout.roundedSums))),
    set(
      value,
      multiply(
        subtract(lesser(greater(magnitude(get(change)), get(from)), get(to)), get(from)),
        get(scaling),
      ),
    ),
    // What two is raised to.
    set(
      value,
      greater(subtract(multiply(get(value), get(value)), get(exponent)), single(LEAST_POWER)),
    ),
    set(whole, add(get(value), toInteger)),
    set(rest, subtract(get(value), subtract(get(whole), toInteger))),
    set(value, addWords(powerOfRest, vector(0xab, get(whole), i32(23)))),
    set(estimate, multiply(get(value), get(angle))),
    // Neither is true of NaN.
    set(
      unsure,
      not(
        and(
          vector(0x43, magnitude(get(angle)), single(MOST_ANGLE)),
          or(
            vector(0x46, magnitude(get(estimate)), get(smallest)),
            vector(0x41, get(change), zeros),
          ),
        ),
      ),
    ),
  ];
  const sift: Code = [
    set(above, vector(0x44, get(estimate), get(high))),
    // What is listed for its own sake.
    set(
      unsure,
      or(
        get(unsure),
        or(
          butNot(vector(0x46, get(estimate), get(low)), get(above)),
          vector(0x46, get(estimate), get(top)),
        ),
      ),
    ),
    // A mask is −1.
    set(count, vector(0xb1, get(count), butNot(get(above), get(unsure)))),
    set(mask, vector(0xa4, get(unsure))),
    list(end, mask, get(place), layout.places),
  ];
  const body: Code = [
    numbers.map((number, i) => set(splats[i]!, splat(number))),
    set(place, wordLanes),
    block(
      loop(
        branchIf(1, notBelow(get(at), get(bytes))),
        estimateFour,
        sift,
        set(place, addWords(get(place), words(4))),
        set(at, addI32(get(at), i32(16))),
        branch(0),
      ),
    ),
    store(i32(layout.counts), get(count)),
    [get(end), i32(2), 0x76],
  ];
  return compile(memory, signature, locals, body);
}

type Local = number;
type Eight = [Local, Local, Local, Local, Local, Local, Local, Local];
