/**
 * The scores of PCB-Merging, for a block of values of all experts: estimates of all of them as keys, and the scores
 * themselves of those that are asked for.
 */
import type { Group } from '../method.ts';
import { signedKeys } from '../select-counts.ts';
import { CONSTANT_BYTES } from './constants.ts';
import { KEY_BLOCK, KeyKernel } from './key-kernel.ts';
import { assembleScores } from './score-code.ts';
import {
  assembleEstimate,
  assembleSums,
  DOUBTFUL,
  LEAST_ESTIMATE,
  MOST_OFF,
} from './score-estimate.ts';

export interface Range {
  readonly least: number;
  readonly greatest: number;
}

const PLANE = KEY_BLOCK * 4;
/** Values that are scored at a time. */
const SCORED = 1024;

/**
 * Beyond it a place in the range is too uncertain in fp32: K (2^−22 greatest / width), by which an exponential is wrong,
 * would not be small next to `MOST_OFF`.
 */
const MOST_RATIO = 256;

export class ScoreKernel {
  /** Holds the estimates, and counts for each expert in a table of its own. */
  readonly keys: KeyKernel;
  readonly #base: Float32Array;
  readonly #experts: readonly Float32Array[];
  readonly #sums: Float64Array;
  readonly #scored: {
    readonly base: Float32Array;
    readonly expert: Float32Array;
    readonly sums: Float64Array;
    readonly result: Float32Array;
  };
  readonly #sum: ReturnType<typeof assembleSums>;
  readonly #estimate: ReturnType<typeof assembleEstimate>;
  readonly #score: ReturnType<typeof assembleScores>;
  readonly #result = new Float32Array(KEY_BLOCK);
  readonly #changes = new Float64Array(KEY_BLOCK);
  #length = 0;

  constructor(experts: number) {
    const scoredBytes = 5 * SCORED * 4;
    const ahead = scoredBytes + 2 * CONSTANT_BYTES;
    this.keys = new KeyKernel(experts, ahead + (3 + experts) * PLANE);
    const { memory, spare } = this.keys;
    const { buffer } = memory;
    const scored = {
      sums: spare,
      base: spare + 2 * SCORED * 4,
      expert: spare + 3 * SCORED * 4,
      result: spare + 4 * SCORED * 4,
      constants: spare + scoredBytes,
    };
    const sums = spare + ahead;
    const layout = {
      base: 0,
      keys: KeyKernel.keysAt,
      plane: PLANE,
      sums,
      roundedSums: sums + 2 * PLANE,
      constants: spare + scoredBytes + CONSTANT_BYTES,
      experts: sums + 3 * PLANE,
    };
    const plane = (at: number, length = KEY_BLOCK) => new Float32Array(buffer, at, length);
    this.#base = plane(layout.base);
    this.#experts = Array.from({ length: experts }, (_, k) => plane(layout.experts + k * PLANE));
    this.#sums = new Float64Array(buffer, sums, KEY_BLOCK);
    this.#scored = {
      base: plane(scored.base, SCORED),
      expert: plane(scored.expert, SCORED),
      sums: new Float64Array(buffer, scored.sums, SCORED),
      result: plane(scored.result, SCORED),
    };
    this.#sum = assembleSums(memory, layout);
    this.#estimate = assembleEstimate(memory, layout);
    this.#score = assembleScores(memory, scored);
  }

  /** Takes the values from `begin` to `end`, at most a block. */
  load({ base, experts }: Pick<Group, 'base' | 'experts'>, begin: number, end: number): void {
    this.#length = end - begin;
    const padded = Math.ceil(this.#length / 4) * 4;
    const take = (plane: Float32Array, values: Float32Array) => {
      plane.set(values.subarray(begin, end));
      plane.fill(0, this.#length, padded);
    };
    take(this.#base, base);
    for (const [k, expert] of experts.entries()) take(this.#experts[k]!, expert);
    this.#sum(padded * 4, experts.length);
  }

  /**
   * Leaves in `keys` the keys of estimates, at most `MOST_OFF` from those of the scores, given the range of an
   * expert's magnitudes.
   */
  estimate(expert: number, range: Range): void {
    const { least, greatest } = range;
    const taskCount = this.#experts.length;
    const width = greatest - least;
    const power = taskCount * Math.LOG2E;
    const fine = width > LEAST_ESTIMATE && taskCount * greatest < MOST_RATIO * width;
    const allCertain = this.#estimate(
      Math.ceil(this.#length / 4) * 16,
      expert * PLANE,
      least,
      greatest,
      // In a range of a single value all places are 0.
      width > 0 ? Math.sqrt(power) / width : 0,
      power,
      fine || width === 0 ? LEAST_ESTIMATE : Infinity,
    );
    this.keys.close(this.#length);
    if (allCertain === 1) return;
    const doubtful = this.keys.find(DOUBTFUL, DOUBTFUL);
    const keys = keysOf(this.scores(expert, range, doubtful));
    for (const [i, place] of doubtful.entries()) this.keys.keys[place] = keys[i]!;
  }

  /** Those of an expert at these places of the block; valid until the next call. */
  changes(expert: number, places: Int32Array): Float64Array {
    const [base, own] = [this.#base, this.#experts[expert]!];
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!;
      this.#changes[i] = own[place]! - base[place]!;
    }
    return this.#changes.subarray(0, places.length);
  }

  /** The scores of an expert at these places of the block; valid until the next call. */
  scores(expert: number, { least, greatest }: Range, places: Int32Array): Float32Array {
    const scored = this.#scored;
    const [base, own, sums] = [this.#base, this.#experts[expert]!, this.#sums];
    for (let first = 0; first < places.length; first += SCORED) {
      const count = Math.min(places.length - first, SCORED);
      const padded = Math.ceil(count / 4) * 4;
      for (let i = 0; i < count; i++) {
        const place = places[first + i]!;
        scored.base[i] = base[place]!;
        scored.expert[i] = own[place]!;
        scored.sums[i] = sums[place]!;
      }
      scored.base.fill(0, count, padded);
      scored.expert.fill(0, count, padded);
      const width = greatest > least ? greatest - least : 1;
      this.#score(padded * 4, least, greatest, width, this.#experts.length);
      this.#result.set(scored.result.subarray(0, count), first);
    }
    return this.#result.subarray(0, places.length);
  }
}

/** No estimate of a score above this one has a lesser key. */
export function leastEstimate(score: number): number {
  return keysOf(Float32Array.of(score))[0]! - MOST_OFF;
}

/** Scores become their keys, in place. */
export function keysOf(scores: Float32Array): Int32Array {
  const keys = new Int32Array(scores.buffer, scores.byteOffset, scores.length);
  signedKeys(keys, keys.length);
  return keys;
}
