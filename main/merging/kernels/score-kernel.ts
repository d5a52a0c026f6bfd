/**
 * PCB-Merging of a block of values of all experts: which of them may have scores that matter, by estimates of all of
 * them; the scores of those; and what becomes of them.
 */
import type { Group } from '../method.ts';
import { numberOfKey, signedKeys } from '../select-counts.ts';
import { memoryOf } from '../../lib/wasm.ts';
import { COMPRESS_BYTES } from './compress.ts';
import { CONSTANT_BYTES } from './constants.ts';
import { assembleScores } from './score-code.ts';
import { assembleSift, LEAST_ESTIMATE, MOST_OFF } from './score-estimate.ts';
import { assembleSums } from './score-sums.ts';
import { assembleAddShares, assembleMerge } from './share-code.ts';

export interface Range {
  readonly least: number;
  readonly greatest: number;
}

/** Values of a block. */
export const SCORE_BLOCK = 4096;
const PLANE = SCORE_BLOCK * 4;
/** Behind what is listed: the place after the block, to fill up a vector. */
const SPARE = 16;

/**
 * Beyond it a place in the range is too uncertain in fp32: K (2^−22 greatest / width), by which an exponential is wrong,
 * would not be small next to `MOST_OFF`.
 */
const MOST_RATIO = 256;

/** Estimates that matter, in fp32: those from `low` to `high` and those not below `top`. */
export interface Sieve {
  readonly low: number;
  readonly high: number;
  readonly top: number;
}

/** Lets no value through unlisted whose score has one of these keys, or at least the key `top`. */
export function sieveOf(keys: Range, top: number): Sieve {
  return {
    low: numberOfKey(finiteKey(keys.least - MOST_OFF)),
    high: numberOfKey(finiteKey(keys.greatest + MOST_OFF)),
    top: numberOfKey(finiteKey(top - MOST_OFF)),
  };
}

/** Lets through all from a score on. */
export function sieveFrom(score: number): Sieve {
  const [least] = keysOf(Float32Array.of(score)) as unknown as [number];
  return sieveOf({ least, greatest: MOST_KEY }, MOST_KEY);
}

/** That of the greatest finite number. */
const MOST_KEY = 0x7f7fffff;
const finiteKey = (key: number) => Math.min(Math.max(key, -MOST_KEY - 1), MOST_KEY);

export class ScoreKernel {
  readonly #base: Float32Array;
  readonly #experts: readonly Float32Array[];
  readonly #places: Int32Array;
  readonly #scores: Float32Array;
  readonly #counts: Int32Array;
  readonly #merged: Float32Array;
  readonly #sum: ReturnType<typeof assembleSums>;
  readonly #sift: ReturnType<typeof assembleSift>;
  readonly #score: ReturnType<typeof assembleScores>;
  readonly #addShares: ReturnType<typeof assembleAddShares>;
  readonly #merge: ReturnType<typeof assembleMerge>;
  #length = 0;

  constructor(experts: number) {
    let end = 0;
    const take = (bytes: number) => (end += bytes) - bytes;
    const layout = {
      base: take(PLANE),
      experts: take(experts * PLANE),
      plane: PLANE,
      sums: take(2 * PLANE),
      roundedSums: take(PLANE),
      places: take(PLANE + SPARE),
      scores: take(PLANE + SPARE),
      changes: take(2 * (PLANE + SPARE)),
      shares: take(4 * PLANE + SPARE),
      merged: take(PLANE),
      counts: take(16),
      table: take(COMPRESS_BYTES),
    };
    const constants = take(4 * CONSTANT_BYTES);
    const memory = memoryOf(end);
    const { buffer } = memory;
    const plane = (at: number) => new Float32Array(buffer, at, SCORE_BLOCK);
    this.#base = plane(layout.base);
    this.#experts = Array.from({ length: experts }, (_, k) => plane(layout.experts + k * PLANE));
    this.#places = new Int32Array(buffer, layout.places, SCORE_BLOCK + 4);
    this.#scores = plane(layout.scores);
    this.#counts = new Int32Array(buffer, layout.counts, 4);
    this.#merged = plane(layout.merged);
    const withConstants = (index: number) => ({
      ...layout,
      constants: constants + index * CONSTANT_BYTES,
    });
    this.#sum = assembleSums(memory, layout);
    this.#sift = assembleSift(memory, withConstants(0));
    this.#score = assembleScores(memory, withConstants(1));
    this.#addShares = assembleAddShares(memory, withConstants(2));
    this.#merge = assembleMerge(memory, withConstants(3));
  }

  /** Takes the values from `begin` to `end`, at most a block. */
  load({ base, experts }: Pick<Group, 'base' | 'experts'>, begin: number, end: number): void {
    this.#length = end - begin;
    this.#base.set(base.subarray(begin, end));
    for (const [k, expert] of experts.entries()) this.#experts[k]!.set(expert.subarray(begin, end));
    this.#sum(this.#bytes, experts.length);
  }

  get #bytes(): number {
    return Math.ceil(this.#length / 4) * 16;
  }

  /**
   * Lists the places of the values of an expert that a sieve lets through, given the range of its magnitudes, and of
   * those with uncertain estimates; valid until the next call. The scores of the others lie above the sieve's range,
   * as many as `above` says, or below it.
   */
  sift(expert: number, range: Range, sieve: Sieve): { places: Int32Array; above: number } {
    const { least, greatest } = range;
    const taskCount = this.#experts.length;
    const width = greatest - least;
    const power = taskCount * Math.LOG2E;
    const fine = width > LEAST_ESTIMATE && taskCount * greatest < MOST_RATIO * width;
    const whole = this.#length - (this.#length % 4);
    let count = this.#sift(
      whole * 4,
      expert * PLANE,
      least,
      greatest,
      // In a range of a single value all places are 0.
      width > 0 ? Math.sqrt(power) / width : 0,
      power,
      fine || width === 0 ? LEAST_ESTIMATE : Infinity,
      sieve.low,
      sieve.high,
      sieve.top,
    );
    // The last ones that fill no vector are not estimated.
    for (let place = whole; place < this.#length; place++) this.#places[count++] = place;
    const [a, b, c, d] = this.#counts as unknown as [number, number, number, number];
    return { places: this.#places.subarray(0, count), above: a + b + c + d };
  }

  /** The scores of an expert at these places of the block; valid until the next call. */
  scores(expert: number, { least, greatest }: Range, places: Int32Array): Float32Array {
    const own = this.#places;
    if (places.buffer !== own.buffer) own.set(places);
    const count = places.length;
    own.fill(SCORE_BLOCK, count, Math.ceil(count / 4) * 4);
    const width = greatest > least ? greatest - least : 1;
    const bytes = Math.ceil(count / 4) * 16;
    this.#score(bytes, expert * PLANE, least, greatest, width, this.#experts.length);
    return this.#scores.subarray(0, count);
  }

  /** Adds the changes at these places, clamped to a range, by where in the range of `limits` their scores lie. */
  addShares(expert: number, range: Range, limits: Range, places: Int32Array): void {
    this.scores(expert, range, places);
    const { least, greatest } = limits;
    this.#addShares(
      Math.ceil(places.length / 2) * 8,
      range.least,
      range.greatest,
      least,
      greatest,
      // In a range of a single value all shares are 0.
      greatest > least ? greatest - least : Infinity,
    );
  }

  /** The merged values of the block, of all shares since the last time; valid until the next call. */
  merge(lambda: number): Float32Array {
    this.#merge(this.#bytes, lambda);
    return this.#merged.subarray(0, this.#length);
  }
}

/** Scores become their keys, in place. */
export function keysOf(scores: Float32Array): Int32Array {
  const keys = new Int32Array(scores.buffer, scores.byteOffset, scores.length);
  signedKeys(keys, keys.length);
  return keys;
}
