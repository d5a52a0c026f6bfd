/**
 * Scores of PCB-Merging that are nearly right, four at a time in fp32, and which of them may not be: most scores
 * only need to be told from those that matter. Powers of two are 2^n × 2^r with |r| ≤ 1/2 and 2^r by a cubic that is
 * right to 1e-4; the hyperbolic tangent of x up to 1/40 is x, which is right to 2.1e-4; rounding adds less than 1e-4
 * (`MOST_RATIO` sees to that). Together that is less than the 4.8e-4 of `MOST_OFF`.
 */
import { Constants } from './constants.ts';
import {
  add as addDoubles,
  addI32,
  addWords,
  and,
  below,
  block,
  branch,
  branchIf,
  compile,
  demote,
  get,
  i32,
  load,
  Locals,
  loop,
  notBelow,
  op,
  or,
  promoteHigh,
  promoteLow,
  select,
  set,
  store,
  subtract as subtractDoubles,
  vector,
  xor,
  zeros,
  type Code,
  type Memory,
  type Signature,
  words,
} from '../../lib/wasm.ts';

/** The key of an estimate lies at most so far from that of the score: a relative 2^−11 just above a power of two. */
export const MOST_OFF = 2 ** 13;
/** Below it products may have lost bits. */
export const LEAST_ESTIMATE = 2 ** -100;
const LEAST_POWER = -120;
/** Added to a number it leaves the nearest integer in the lower bits. */
const TO_INTEGER = 1.5 * 2 ** 23;
const MOST_ANGLE = 1 / 40;
/** In the place of a key: the estimate may be wrong. No number has it. */
export const DOUBTFUL = 0x7ffffffe;

/** Byte offsets of the planes of a block. */
export interface EstimateLayout {
  readonly base: number;
  /** Of the experts, one after another. */
  readonly experts: number;
  readonly plane: number;
  /** Σ τj in fp64, as wide as two others, and in fp32. */
  readonly sums: number;
  readonly roundedSums: number;
  readonly keys: number;
  /** `CONSTANT_BYTES` of memory. */
  readonly constants: number;
}

const add = (left: Code, right: Code): Code => vector(0xe4, left, right);
const subtract = (left: Code, right: Code): Code => vector(0xe5, left, right);
const multiply = (left: Code, right: Code): Code => vector(0xe6, left, right);
const lesser = (left: Code, right: Code): Code => vector(0xea, left, right);
const greater = (left: Code, right: Code): Code => vector(0xeb, left, right);
const magnitude = (value: Code): Code => vector(0xe0, value);
/** An fp64 local, rounded to fp32, in all lanes. */
const splat = (local: number): Code => vector(0x13, op(0xb6, get(local)));

type Sum = (bytes: number, experts: number) => void;

/** Writes Σ τj, in the order of the experts. */
export function assembleSums(memory: Memory, layout: EstimateLayout): Sum {
  const signature: Signature = { parameters: ['i32', 'i32'] };
  const [bytes, experts] = [0, 1] as const;
  const locals = new Locals(signature);
  const [at, expert, address] = locals.take('i32', 3) as [number, number, number];
  const vectors = locals.take('v128', 5) as [number, number, number, number, number];
  const [four, baseLow, baseHigh, low, high] = vectors;
  const addTo = (sum: number, value: Code, base: number): Code =>
    set(sum, addDoubles(get(sum), subtractDoubles(value, get(base))));
  const body: Code = block(
    loop(
      branchIf(1, notBelow(get(at), get(bytes))),
      set(four, load(get(at), layout.base)),
      set(baseLow, promoteLow(get(four))),
      set(baseHigh, promoteHigh(four)),
      set(low, zeros),
      set(high, zeros),
      set(expert, i32(0)),
      set(address, get(at)),
      loop(
        set(four, load(get(address), layout.experts)),
        addTo(low, promoteLow(get(four)), baseLow),
        addTo(high, promoteHigh(four), baseHigh),
        set(address, addI32(get(address), i32(layout.plane))),
        set(expert, addI32(get(expert), i32(1))),
        branchIf(0, below(get(expert), get(experts))),
      ),
      store(addI32(get(at), get(at)), get(low), layout.sums),
      store(addI32(get(at), get(at)), get(high), layout.sums + 16),
      store(get(at), demote(get(low), get(high)), layout.roundedSums),
      set(at, addI32(get(at), i32(16))),
      branch(0),
    ),
  );
  return compile(memory, signature, locals, body);
}

/**
 * Of the expert whose plane lies at an offset from the first. The exponential is 2^((scale × (|τ| − least))² − power), so
 * power is K / ln 2 and scale √power / (greatest − least). Estimates below `leastCertain` count as doubtful unless
 * there is no change. Returns 1 where none is doubtful, else 0.
 */
type Estimate = (
  bytes: number,
  offset: number,
  least: number,
  greatest: number,
  scale: number,
  power: number,
  leastCertain: number,
) => number;

/** Through 2^r at the four Chebyshev nodes of [−1/2, 1/2]. */
const cubic = [0.9999245405197144, 0.6931367516517639, 0.2426394820213318, 0.05583828315138817];
/** Writes the keys of the estimates. */
export function assembleEstimate(memory: Memory, layout: EstimateLayout): Estimate {
  const signature: Signature = {
    parameters: ['i32', 'i32', 'f64', 'f64', 'f64', 'f64', 'f64'],
    result: 'i32',
  };
  const [bytes, offset, least, greatest, scale, power, leastCertain] = [
    0, 1, 2, 3, 4, 5, 6,
  ] as const;
  const locals = new Locals(signature);
  const [at] = locals.take('i32', 1) as [number];
  const vectors = locals.take('v128', 13);
  const [from, to, scaling, exponent, smallest] = vectors as [
    number,
    number,
    number,
    number,
    number,
  ];
  const [change, angle, value, whole, rest, estimate, certain, every] = vectors.slice(5) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const constants = new Constants(memory, layout.constants);
  const single = (number: number) => constants.of(Float32Array.of(number));
  const toInteger = single(TO_INTEGER);
  const [constant, linear, square, cube] = cubic.map(single) as [Code, Code, Code, Code];
  const powerOfRest = add(
    add(constant, multiply(get(rest), linear)),
    multiply(multiply(get(rest), get(rest)), add(square, multiply(get(rest), cube))),
  );
  const body: Code = [
    set(from, splat(least)),
    set(to, splat(greatest)),
    set(scaling, splat(scale)),
    set(exponent, splat(power)),
    set(smallest, splat(leastCertain)),
    set(every, words(0xffffffff)),
    block(
      loop(
        branchIf(1, notBelow(get(at), get(bytes))),
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
          certain,
          and(
            vector(0x43, magnitude(get(angle)), single(MOST_ANGLE)),
            or(
              vector(0x46, magnitude(get(estimate)), get(smallest)),
              vector(0x41, get(change), zeros),
            ),
          ),
        ),
        set(every, and(get(every), get(certain))),
        store(
          get(at),
          select(
            // Ordered as numbers are.
            xor(
              get(estimate),
              and(vector(0xac, get(estimate), i32(31)), constants.of(Int32Array.of(0x7fffffff))),
            ),
            constants.of(Int32Array.of(DOUBTFUL)),
            get(certain),
          ),
          layout.keys,
        ),
        set(at, addI32(get(at), i32(16))),
        branch(0),
      ),
    ),
    vector(0xa3, get(every)),
  ];
  return compile(memory, signature, locals, body);
}
