/**
 * Merging of thinned task vectors, four positions at a time: what `elementwise/merge-task-vectors.ts` does in
 * JavaScript, which is its definition, with the same operations in the same order and so to the same bits.
 * All experts of a position are taken at once, so that nothing between them is stored.
 */
import type { ElectionRules } from '../elementwise/sign-election.ts';
import { field as randomField, randomMask } from './random-mask.ts';
import {
  add,
  addI32,
  addWords,
  and,
  below,
  block,
  branch,
  branchIf,
  compile,
  demote,
  divide,
  falls,
  fallsNot,
  get,
  i32,
  isZero,
  load,
  loadDoubles,
  loadWords,
  Locals,
  loop,
  magnitude,
  multiply,
  notBelow,
  ones,
  promoteHigh,
  promoteLow,
  rises,
  select,
  set,
  store,
  subtract,
  vector,
  widenHigh,
  widenLow,
  wordLanes,
  words,
  zeros,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

/** What the generated code does; the fewer, the faster. */
export interface KernelForm {
  /** Whether it is given the models, or what became of their task vectors, in fp64. */
  readonly given: 'models' | 'changes';
  /** Drops values whose magnitude has no greater key than the limit. */
  readonly top: boolean;
  /** Drops values at random. */
  readonly random: boolean;
  /** Multiplies what is left. */
  readonly scaled: boolean;
  /** Without rules the values are summed. */
  readonly election?: ElectionRules | undefined;
  /** Whether a sum is divided. */
  readonly divided: boolean;
  /** Merged values, or how many positions rise less how many fall. */
  readonly result: 'values' | 'balance';
}

/** Positions of a block: two experts' planes, those of the base and the result take 32 KiB. */
export const KERNEL_BLOCK = 2048;
const PLANE = KERNEL_BLOCK * 4;
export const RECORD = 64;
export const field = { weight: 0, scale: 8, limit: 16, ...randomField } as const;
/** Records take a page, so there may be so many experts. */
export const MOST_EXPERTS = 1024;
export const BASE = MOST_EXPERTS * RECORD;
export const RESULT = BASE + PLANE;
export const EXPERTS = RESULT + PLANE;
/** Of an expert. */
export const planeBytes = ({ given }: Pick<KernelForm, 'given'>): number =>
  given === 'models' ? PLANE : 2 * PLANE;

const signature: Signature = {
  parameters: ['i32', 'i32', 'i32', 'f64', 'f64'],
  result: 'f64',
};
const [models, bytes, index, factor, divisor] = [0, 1, 2, 3, 4] as const;

/** Compiles the function of a form. */
export function assemble(memory: Memory, form: KernelForm): Run {
  const { election } = form;
  const locals = new Locals(signature);
  const [offset, model, at, record] = locals.take('i32', 4) as [number, number, number, number];
  const vectors = locals.take('v128', 20);
  let taken = 0;
  const v = () => vectors[taken++]!;
  const [balance, place, mask, four, weight] = [v(), v(), v(), v(), v()];
  /** Of the lower two positions, then of the upper two. */
  const halves = [0, 1].map(() => ({
    base: v(),
    value: v(),
    vote: v(),
    fall: v(),
    rise: v(),
    falling: v(),
    rising: v(),
  }));
  const [low, high] = halves as [Half, Half];
  const both = (code: (half: Half) => Code): Code => halves.map(code);

  const weigh = (value: Code): Code =>
    election?.weigh === 'after_vote' ? multiply(get(weight), value) : value;
  const share = election?.merge === 'weighted_mean' ? get(weight) : ones;

  const vote = ({ value, vote: own }: Half): Code =>
    election?.vote === 'frequency'
      ? set(
          own,
          subtract(add(get(own), and(rises(get(value)), ones)), and(falls(get(value)), ones)),
        )
      : set(own, add(get(own), get(value)));
  const elect = (half: Half): Code => [
    election?.weigh === 'before_vote'
      ? set(half.value, multiply(get(half.value), get(weight)))
      : [],
    vote(half),
    form.result === 'balance'
      ? []
      : [
          set(
            half.fall,
            add(get(half.fall), weigh(subtract(get(half.value), magnitude(get(half.value))))),
          ),
          set(
            half.rise,
            add(get(half.rise), weigh(add(get(half.value), magnitude(get(half.value))))),
          ),
          election?.merge === 'sum'
            ? []
            : [
                set(half.falling, add(get(half.falling), and(falls(get(half.value)), share))),
                set(half.rising, add(get(half.rising), and(rises(get(half.value)), share))),
              ],
        ],
  ];
  const sum = ({ vote: own, value }: Half): Code =>
    set(own, add(get(own), multiply(get(weight), get(value))));

  const keep: Code = [
    set(low.value, and(get(low.value), widenLow(get(mask)))),
    set(high.value, and(get(high.value), widenHigh(get(mask)))),
  ];
  const takeChange: Code =
    form.given === 'changes'
      ? [set(low.value, load(get(at))), set(high.value, load(get(at), 16))]
      : [
          set(four, load(get(at))),
          set(low.value, subtract(promoteLow(get(four)), get(low.base))),
          set(high.value, subtract(promoteHigh(four), get(high.base))),
        ];
  const addModel: Code = [
    takeChange,
    form.top
      ? [
          set(
            mask,
            vector(
              0x3b,
              and(demote(get(low.value), get(high.value)), words(0x7fffffff)),
              loadWords(get(record), field.limit),
            ),
          ),
          keep,
        ]
      : [],
    form.random ? [set(mask, randomMask(place, four, get(record))), keep] : [],
    form.scaled
      ? both(({ value }) => set(value, multiply(get(value), loadDoubles(get(record), field.scale))))
      : [],
    set(weight, loadDoubles(get(record), field.weight)),
    both(election === undefined ? sum : elect),
    set(at, addI32(get(at), i32(planeBytes(form)))),
    set(record, addI32(get(record), i32(RECORD))),
    set(model, addI32(get(model), i32(1))),
  ];

  const change = (half: Half): Code => {
    const scale = vector(0x14, get(factor));
    if (election === undefined) {
      const scaled = multiply(scale, get(half.vote));
      return form.divided ? divide(scaled, vector(0x14, get(divisor))) : scaled;
    }
    const elected = multiply(scale, select(get(half.rise), get(half.fall), get(half.vote)));
    if (election.merge === 'sum') return elected;
    return [
      set(half.rising, select(get(half.rising), get(half.falling), get(half.vote))),
      divide(elected, select(ones, get(half.rising), isZero(get(half.rising)))),
    ];
  };
  // The vote becomes the mask of the positions that rise.
  const decide = ({ vote: own }: Half): Code =>
    election === undefined
      ? []
      : set(own, election.evenSign > 0 ? fallsNot(get(own)) : rises(get(own)));
  const write: Code = [
    both(decide),
    both((half) => set(half.value, add(get(half.base), change(half)))),
    store(addI32(i32(RESULT), get(offset)), demote(get(low.value), get(high.value))),
  ];
  const tally = both(({ vote: own }) =>
    set(
      balance,
      subtract(add(get(balance), and(rises(get(own)), ones)), and(falls(get(own)), ones)),
    ),
  );

  const scaledOffset: Code =
    form.given === 'models' ? get(offset) : addI32(get(offset), get(offset));
  const lane = (number: number): Code => [get(balance), 0xfd, 0x21, number];
  const body: Code = [
    set(place, addWords(vector(0x11, get(index)), wordLanes)),
    block(
      loop(
        branchIf(1, notBelow(get(offset), get(bytes))),
        set(four, load(addI32(i32(BASE), get(offset)))),
        set(low.base, promoteLow(get(four))),
        set(high.base, promoteHigh(four)),
        both((half) =>
          [half.vote, half.fall, half.rise, half.falling, half.rising].map((each) =>
            set(each, zeros),
          ),
        ),
        set(model, i32(0)),
        set(record, i32(0)),
        set(at, addI32(i32(EXPERTS), scaledOffset)),
        loop(addModel, branchIf(0, below(get(model), get(models)))),
        form.result === 'values' ? write : tally,
        set(place, addWords(get(place), words(4))),
        set(offset, addI32(get(offset), i32(16))),
        branch(0),
      ),
    ),
    [lane(0), lane(1), 0xa0],
  ];
  return compile(memory, signature, locals, body);
}

interface Half {
  readonly base: number;
  readonly value: number;
  readonly vote: number;
  readonly fall: number;
  readonly rise: number;
  readonly falling: number;
  readonly rising: number;
}

export type Run = (
  models: number,
  bytes: number,
  index: number,
  factor: number,
  divisor: number,
) => number;
