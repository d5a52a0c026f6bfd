/**
 * Damages valid headers in ways that keep most of their structure, so that the deep checks are reached.
 * A reader may only succeed or throw an AppError; what it accepts must be what JSON.parse sees, and
 * must cover the data exactly. FUZZ_RUNS sets the number of inputs, FUZZ_SEED repeats a run.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bitsPerElement, type DType } from '../../main/checkpoints/dtype.ts';
import { METADATA_KEY, parseHeader } from '../../main/checkpoints/header.ts';
import { checkLayout } from '../../main/checkpoints/layout.ts';
import { openSafetensors } from '../../main/checkpoints/safetensors.ts';
import { parseShardIndex } from '../../main/checkpoints/shard-index.ts';
import { AppError } from '../../main/lib/errors.ts';
import { PATIENCE, processorMs } from '../unit/checkpoints/support.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 10_000);
const seed = process.env['FUZZ_SEED'];
const parameters = { numRuns: RUNS, ...(seed === undefined ? {} : { seed: Number(seed) }) };
const SLOWEST_MS = 1000;

const DATA_BYTES = 24;
const base =
  '{"__metadata__":{"format":"pt","note":"\\u00e9"},' +
  '"layer.0.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},' +
  '"layer.0.bias":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},' +
  '"empty":{"dtype":"I64","shape":[0,3],"data_offsets":[20,20]},' +
  '"scalar":{"dtype":"BF16","shape":[],"data_offsets":[20,22]},' +
  '"bits":{"dtype":"F4","shape":[4],"data_offsets":[22,24]}}';
const indexBase =
  '{"metadata":{"total_size":8,"x":[{"y":null}]},' +
  '"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}';

/** Whole tokens, so that one replaced by another is often still JSON. */
const tokens = (text: string): string[] =>
  text.match(/"(?:[^"\\]|\\.)*"|-?\d+|true|false|null|[^]/g) ?? [];

const interesting = [
  ...['0', '1', '-1', '-0', '2.0', '1e1', '4', '16', '9007199254740993', '18446744073709551615'],
  ...['null', 'true', '""', '[]', '{}', '[', ']', '{', '}', ',', ':', '"', '\\', ' ', '\n', '\0'],
  ...['"dtype"', '"shape"', '"data_offsets"', '"F32"', '"F64"', '"F6_E2M3"', '"__metadata__"'],
  ...['"__proto__"', '"\\u0061"', '"\\ud800"', '"a"', '"../x"', '"x.safetensors"', '\ufeff', 'é'],
];

interface Mutation {
  readonly kind: 'replace' | 'insert' | 'delete' | 'copy' | 'swap';
  readonly at: number;
  readonly other: number;
  readonly token: string;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('replace', 'insert', 'delete', 'copy', 'swap'),
  at: fc.nat({ max: 200 }),
  other: fc.nat({ max: 200 }),
  token: fc.constantFrom(...interesting),
});

function mutate(text: string, mutations: readonly Mutation[]): string {
  const list = tokens(text);
  for (const { kind, at, other, token } of mutations) {
    const i = at % list.length;
    const j = other % list.length;
    if (kind === 'replace') list[i] = token;
    else if (kind === 'insert') list.splice(i, 0, token);
    else if (kind === 'delete') list.splice(i, 1 + (other % 3));
    else if (kind === 'copy') list.splice(i, 0, ...list.slice(j, j + 12));
    else [list[i], list[j]] = [list[j] ?? '', list[i] ?? ''];
    if (list.length === 0) list.push(token);
  }
  return list.join('');
}

const mutations = fc.array(mutation, { maxLength: 4 });
const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 7 })), { maxLength: 2 });

function damaged(text: string, bitFlips: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(text));
  for (const [at, bit] of bitFlips) if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << bit;
  return bytes;
}

/** True when `work` succeeds; an AppError is an answer too, anything else fails the test. */
function accepts(work: () => void): boolean {
  const before = processorMs();
  try {
    work();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toMatch(/^checkpoint\./);
    expect((error as AppError).message).not.toMatch(/[\p{Cc}\p{Cs}]/u);
    return false;
  } finally {
    expect(processorMs() - before).toBeLessThan(SLOWEST_MS);
  }
}

interface PlainEntry {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** What an accepted header must satisfy, worked out with other means than the reader's. */
function expectConsistent(bytes: Uint8Array): void {
  const { entries, metadata } = parseHeader(bytes, 'f');
  const plain = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
  const names = Object.keys(plain).filter((name) => name !== METADATA_KEY);
  expect([...entries.keys()].sort()).toEqual(names.sort());
  expect(Object.fromEntries(metadata)).toEqual(plain[METADATA_KEY] ?? {});
  const used = new Uint8Array(DATA_BYTES);
  for (const [name, { dtype, shape, begin, end }] of entries) {
    expect<PlainEntry>({ dtype, shape: [...shape], data_offsets: [begin, end] }).toEqual(
      plain[name],
    );
    const bits = shape.reduce((product, size) => product * size, bitsPerElement(dtype));
    expect(end - begin).toBe(bits / 8);
    for (let i = begin; i < end; i++) used[i]! += 1;
  }
  expect(used.every((times) => times === 1)).toBe(true);
}

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergewright-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it(`survives ${RUNS} damaged headers`, PATIENCE, () => {
  let accepted = 0;
  let total = 0;
  fc.assert(
    fc.property(mutations, flips, fc.boolean(), (steps, bitFlips, flip) => {
      const bytes = damaged(mutate(base, steps), flip ? bitFlips : []);
      total++;
      const ok = accepts(() => {
        const { entries } = parseHeader(bytes, 'f');
        checkLayout(entries.values(), DATA_BYTES, 'f');
      });
      if (!ok) return;
      accepted++;
      expectConsistent(bytes);
    }),
    parameters,
  );
  // A mutator that never damages, or always destroys, would test nothing.
  expect(accepted).toBeGreaterThan(total * 0.02);
  expect(accepted).toBeLessThan(total * 0.9);
});

it(`survives ${RUNS / 2} damaged shard indexes`, PATIENCE, () => {
  fc.assert(
    fc.property(mutations, flips, (steps, bitFlips) => {
      const bytes = damaged(mutate(indexBase, steps), bitFlips);
      accepts(() => {
        const { shards, shardOf } = parseShardIndex(bytes, 'f');
        for (const shard of shards) expect(shard).toMatch(/^[^/\\:]+\.safetensors$/);
        expect(new Set(shardOf.values())).toEqual(new Set(shards));
      });
    }),
    { ...parameters, numRuns: RUNS / 2 },
  );
});

it(`survives ${RUNS / 40} damaged files, prefix included`, PATIENCE, async () => {
  const path = join(folder, 'f.safetensors');
  const prefix = fc.oneof(
    fc.constant(0n),
    fc.bigInt({ min: -4n, max: 4n }),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );
  const size = fc.oneof(fc.constant(DATA_BYTES), fc.nat({ max: 64 }));
  await fc.assert(
    fc.asyncProperty(mutations, prefix, size, flips, async (steps, off, dataBytes, bitFlips) => {
      const header = Buffer.from(mutate(base, steps));
      const head = Buffer.alloc(8);
      head.writeBigUInt64LE(BigInt.asUintN(64, BigInt(header.length) + off));
      const bytes = Uint8Array.from(Buffer.concat([head, header, Buffer.alloc(dataBytes)]));
      for (const [at, bit] of bitFlips) bytes[at % bytes.length]! ^= 1 << bit;
      await writeFile(path, bytes);
      try {
        const checkpoint = await openSafetensors(path);
        for (const [name, { dtype }] of checkpoint.tensors) {
          if (dtype === 'F32') await checkpoint.read(name);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
      }
    }),
    { ...parameters, numRuns: RUNS / 40 },
  );
});
