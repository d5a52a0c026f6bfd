/**
 * The scores of PCB-Merging as vector code: exp(K (s² − 1)) tanh(x) in fp64, rounded to fp32 once. Exponentials
 * are 2^n × e^r with |r| ≤ ln 2 / 2, e^r by its series to r^11; the hyperbolic tangent is its series to x^9 up to
 * 1/32, and 1 − 2 / (e^2x + 1) beyond. Both are right to 1e-14, far below what fp32 shows, and have the
 * same bits on every machine, which those of Math have not.
 */
import { Constants } from './constants.ts';
import {
  add,
  addI32,
  and,
  anyBit,
  block,
  branch,
  branchIf,
  compile,
  demote,
  divide,
  get,
  i32,
  load,
  loadDoubleLane,
  loadDoubles,
  loadLane,
  loadWords,
  Locals,
  loop,
  magnitude,
  multiply,
  notBelow,
  ones,
  or,
  op,
  promoteHigh,
  promoteLow,
  select,
  set,
  shiftLeft,
  store,
  subtract,
  vector,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** Byte offsets of the planes of a block. */
export interface ScoreLayout {
  readonly base: number;
  /** Of the experts, one after another. */
  readonly experts: number;
  /** Fp64, as wide as two others. */
  readonly sums: number;
  /** Which values to score. */
  readonly places: number;
  /** In the order of the places. */
  readonly scores: number;
  /** Fp64, in the order of the places. */
  readonly changes: number;
  /** `CONSTANT_BYTES` of memory. */
  readonly constants: number;
}

/** Below it a score rounds to zero in fp32. */
const LEAST_EXPONENT = -700;
/** From it on the hyperbolic tangent is 1. */
const MOST_ANGLE = 20;
const LEAST_ANGLE = 1 / 32;
/** Added to a number it leaves the nearest integer in the lower bits. */
const TO_INTEGER = 1.5 * 2 ** 52;
const LN2_HIGH = 0.69314718036912381649;
const LN2_LOW = 1.90821492927058770002e-10;
const factorials = [1, 1, 2, 6, 24, 120, 720, 5040, 40_320, 362_880, 3_628_800, 39_916_800];
const exponentialSeries = factorials.map((factorial) => 1 / factorial);
/** Of powers of x². */
const tangentSeries = [1, -1 / 3, 2 / 15, -17 / 315, 62 / 2835];

const signature: Signature = { parameters: ['i32', 'i32', 'f64', 'f64', 'f64', 'f64'] };
const [bytes, offset, least, greatest, width, tasks] = [0, 1, 2, 3, 4, 5] as const;
type Run = (
  bytes: number,
  offset: number,
  least: number,
  greatest: number,
  width: number,
  tasks: number,
) => void;

const splat = (local: number): Code => vector(0x14, get(local));
const lesser = (left: Code, right: Code): Code => vector(0xf4, left, right);
const greater = (left: Code, right: Code): Code => vector(0xf5, left, right);

/** A number as code. */
type Doubles = (number: number) => Code;

function series(coefficients: readonly number[], x: number, doubles: Doubles): Code {
  const [last = 0, ...others] = coefficients.toReversed();
  return others.reduce<Code>(
    (sum, coefficient) => add(multiply(sum, get(x)), doubles(coefficient)),
    doubles(last),
  );
}

interface Work {
  /** What the exponential is of, then its rest. */
  readonly x: number;
  readonly shifted: number;
  readonly power: number;
}

/** e^x, of an x from −700 to 40, in the local `power`. */
function exponential({ x, shifted, power }: Work, doubles: Doubles): Code {
  return [
    set(shifted, add(multiply(get(x), doubles(Math.LOG2E)), doubles(TO_INTEGER))),
    set(power, subtract(get(shifted), doubles(TO_INTEGER))),
    set(
      x,
      subtract(
        subtract(get(x), multiply(get(power), doubles(LN2_HIGH))),
        multiply(get(power), doubles(LN2_LOW)),
      ),
    ),
    // 2^n: its exponent is n more than that of 1.
    set(shifted, vector(0xce, vector(0xcb, get(shifted), i32(52)), ones)),
    set(power, multiply(series(exponentialSeries, x, doubles), get(shifted))),
  ];
}

/** Four words. */
function gather(addresses: readonly Code[], plane: number): Code {
  const [first, ...others] = addresses as [Code, ...Code[]];
  return others.reduce<Code>(
    (lanes, address, index) => loadLane(address, lanes, index + 1, plane),
    loadWords(first, plane),
  );
}

/** Writes the scores and the changes of an expert, whose plane lies at an offset, for so many bytes of places, a multiple of 16. */
export function assembleScores(memory: Memory, layout: ScoreLayout): Run {
  const constants = new Constants(memory, layout.constants);
  const doubles: Doubles = (number) => constants.of(Float64Array.of(number));
  const locals = new Locals(signature);
  const [at, ...addresses] = locals.take('i32', 5) as [number, ...number[]];
  const vectors = locals.take('v128', 13);
  const [four, base, low, high, own, angle, size, square, small] = vectors as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [x, shifted, power, score] = vectors.slice(9) as [number, number, number, number];
  const work: Work = { x, shifted, power };
  const twice = (local: number | undefined): Code => addI32(get(local!), get(local!));
  const pairOf = (half: 0 | 1): Code =>
    loadDoubleLane(
      twice(addresses[2 * half + 1]),
      loadDoubles(twice(addresses[2 * half]), layout.sums),
      1,
      layout.sums,
    );
  /** Of the two changes in `own`; the score goes to `into`. */
  const scoreTwo = (half: 0 | 1, into: number): Code => [
    store(twice(at), get(own), layout.changes + 16 * half),
    set(angle, multiply(get(own), pairOf(half))),
    set(
      size,
      divide(
        subtract(lesser(greater(magnitude(get(own)), splat(least)), splat(greatest)), splat(least)),
        splat(width),
      ),
    ),
    set(
      x,
      greater(
        multiply(splat(tasks), subtract(multiply(get(size), get(size)), ones)),
        doubles(LEAST_EXPONENT),
      ),
    ),
    exponential(work, doubles),
    set(score, get(power)),
    set(square, multiply(get(angle), get(angle))),
    set(into, multiply(get(angle), series(tangentSeries, square, doubles))),
    // Where a single one is large, both ways are gone.
    set(small, vector(0x4b, magnitude(get(angle)), doubles(LEAST_ANGLE))),
    block(
      branchIf(0, op(0x45, anyBit(vector(0x4d, get(small))))),
      set(x, lesser(magnitude(get(angle)), doubles(MOST_ANGLE))),
      set(x, add(get(x), get(x))),
      exponential(work, doubles),
      set(power, subtract(ones, divide(doubles(2), add(get(power), ones)))),
      // With the sign of the angle.
      set(power, or(get(power), and(get(angle), doubles(-0)))),
      set(into, select(get(into), get(power), get(small))),
    ),
    set(into, multiply(get(score), get(into))),
  ];
  const body: Code = block(
    loop(
      branchIf(1, notBelow(get(at), get(bytes))),
      set(four, shiftLeft(load(get(at), layout.places), 2)),
      addresses.map((address, lane) => set(address, [get(four), 0xfd, 0x1b, lane])),
      set(base, gather(addresses.map(get), layout.base)),
      set(
        four,
        gather(
          addresses.map((address) => addI32(get(address), get(offset))),
          layout.experts,
        ),
      ),
      set(own, subtract(promoteLow(get(four)), promoteLow(get(base)))),
      scoreTwo(0, low),
      set(own, subtract(promoteHigh(four), promoteHigh(base))),
      scoreTwo(1, high),
      store(get(at), demote(get(low), get(high)), layout.scores),
      set(at, addI32(get(at), i32(16))),
      branch(0),
    ),
  );
  return compile(memory, signature, locals, body);
}
