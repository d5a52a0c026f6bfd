/**
 * A coverage-guided fuzzer on V8's own block coverage: inputs that reach new blocks, or old ones another order of
 * magnitude of times, join the corpus and are mutated further. Deterministic for a seed. Jazzer.js does the
 * same with libFuzzer, but its only prebuilt binary needs glibc 2.38, which Debian 12 does not have, and older
 * versions download theirs when they are installed.
 */
import { Session } from 'node:inspector/promises';
import { randomStream, type RandomStream } from '../../main/lib/random.ts';

export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Byte strings that mean something to the format. */
  readonly tokens: readonly Uint8Array[];
  /** Part of all inputs it gets: readers that work in memory get more than those that need files. */
  readonly share: number;
  /** True when the input is accepted; throws when the program misbehaves. */
  readonly run: (input: Uint8Array) => Promise<boolean>;
}

export interface FuzzResult {
  readonly target: string;
  readonly runs: number;
  readonly accepted: number;
  /** Inputs that reached something new. */
  readonly corpus: number;
  /** Distinct blocks and frequencies reached. */
  readonly features: number;
  readonly slowestMs: number;
}

/** Coverage is taken after so many inputs; a batch that found something is taken apart. */
const BATCH = 64;
const MAX_INPUT_BYTES = 1 << 16;

class Coverage {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** What was reached since the last call: blocks, each with the magnitude of how often. */
  async take(): Promise<Set<string>> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const features = new Set<string>();
    for (const { url, scriptId, functions } of result) {
      if (!/\/main\/(?:checkpoints|data)\//.test(url)) continue;
      for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
        const order = count === 0 ? 0 : 1 + Math.floor(Math.log2(count) / 4);
        features.add(`${scriptId}:${startOffset}:${endOffset}:${order}`);
      }
    }
    return features;
  }

  stop(): void {
    this.#session.disconnect();
  }
}

const interesting = [0, 1, 2, 4, 7, 8, 16, 46, 0x7f, 0x80, 0xff];

/** One to eight small changes; always returns a new array. */
function mutate(
  random: RandomStream,
  input: Uint8Array,
  other: Uint8Array,
  tokens: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const below = (limit: number): number => Math.floor(random() * limit);
  const splice = (at: number, removed: number, added: Uint8Array): Buffer<ArrayBuffer> =>
    Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
  let bytes: Buffer<ArrayBuffer> = Buffer.from(input);
  const changes = 1 + below(below(3) === 0 ? 6 : 1);
  for (let i = 0; i < changes; i++) {
    const at = below(bytes.length + 1);
    const length = Math.min(1 + below(below(4) === 0 ? 64 : 8), bytes.length - at);
    const token = tokens[below(tokens.length)] ?? new Uint8Array(0);
    const kind = below(8);
    if (kind === 0 && at < bytes.length) bytes[at]! ^= 1 << below(8);
    else if (kind === 1 && at < bytes.length) bytes[at] = interesting[below(interesting.length)]!;
    else if (kind === 2 && at < bytes.length) bytes[at] = (bytes[at]! + below(9) - 4) & 255;
    else if (kind === 3) bytes = splice(at, length, new Uint8Array(0));
    else if (kind === 4) bytes = splice(at, 0, token);
    else if (kind === 5) bytes = splice(at, token.length, token);
    else if (kind === 6)
      bytes = splice(below(bytes.length + 1), 0, bytes.subarray(at, at + length));
    else {
      const from = below(other.length + 1);
      bytes = splice(at, length, other.subarray(from, from + 1 + below(32)));
    }
  }
  return Uint8Array.from(bytes.subarray(0, MAX_INPUT_BYTES));
}

/** Runs `runs` inputs against a target. Throws what the target throws, with the input as `cause`. */
export async function fuzz(target: FuzzTarget, runs: number, seed: number): Promise<FuzzResult> {
  const random = randomStream('fuzz', seed, target.name);
  const corpus = target.seeds.map((input) => Uint8Array.from(input));
  const coverage = new Coverage();
  await coverage.start();
  let accepted = 0;
  let slowestMs = 0;
  const pick = (): Uint8Array => corpus[Math.floor(random() * corpus.length)]!;
  const once = async (input: Uint8Array): Promise<boolean> => {
    const { user, system } = process.cpuUsage();
    try {
      return await target.run(input);
    } catch (error) {
      const hex = Buffer.from(input).toString('hex');
      throw new Error(`${target.name}: the input ${hex} breaks the program`, { cause: error });
    } finally {
      const used = process.cpuUsage();
      slowestMs = Math.max(slowestMs, (used.user + used.system - user - system) / 1000);
    }
  };
  try {
    for (const input of corpus) await once(input);
    const seen = await coverage.take();
    for (let done = 0; done < runs;) {
      const batch = Array.from({ length: Math.min(BATCH, runs - done) }, () =>
        mutate(random, pick(), pick(), target.tokens),
      );
      for (const input of batch) if (await once(input)) accepted++;
      done += batch.length;
      const fresh = new Set([...(await coverage.take())].filter((feature) => !seen.has(feature)));
      for (const feature of fresh) seen.add(feature);
      for (const input of fresh.size === 0 ? [] : batch) {
        await once(input);
        const reached = [...(await coverage.take())].filter((feature) => fresh.delete(feature));
        if (reached.length > 0) corpus.push(input);
      }
    }
    const { name } = target;
    return { target: name, runs, accepted, corpus: corpus.length, features: seen.size, slowestMs };
  } finally {
    coverage.stop();
  }
}
