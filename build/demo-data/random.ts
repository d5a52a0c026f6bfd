/**
 * Counter-based random numbers: every image has its own stream, named by a text key, so a set
 * built alone (`--only`) gets the same bytes as in a full build.
 */
export type Rng = {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in [low, high). */
  range(low: number, high: number): number;
  /** Uniform integer in [0, count). */
  int(count: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** One element of a non-empty list. */
  pick<T>(list: readonly T[]): T;
  /** Standard normal. */
  gauss(): number;
  /** A shuffled copy. */
  shuffle<T>(list: readonly T[]): T[];
};

const SEED = 'mergewright-demo-1';

/** 32-bit FNV-1a of a text, with a final avalanche. */
export function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A generator whose stream depends only on the seed and the key. */
export function rngFor(key: string): Rng {
  let a = hash32(`${SEED}/a/${key}`);
  let b = hash32(`${SEED}/b/${key}`);
  let c = hash32(`${SEED}/c/${key}`);
  let d = 1;
  const u32 = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i += 1) u32();
  const next = (): number => u32() / 4294967296;
  const rng: Rng = {
    next,
    range: (low, high) => low + (high - low) * next(),
    int: (count) => Math.min(count - 1, Math.floor(next() * count)),
    chance: (probability) => next() < probability,
    pick: (list) => {
      const item = list[rng.int(list.length)];
      if (item === undefined) throw new Error(`pick from an empty list (${key})`);
      return item;
    },
    gauss: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle: (list) => {
      const out = [...list];
      for (let i = out.length - 1; i > 0; i -= 1) {
        const j = rng.int(i + 1);
        const held = out[i] as (typeof out)[number];
        out[i] = out[j] as (typeof out)[number];
        out[j] = held;
      }
      return out;
    },
  };
  return rng;
}
