import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StoredCheckpoint } from '../../../../main/checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../../../main/checkpoints/open.ts';
import { methods } from '../../../../main/merging/index.ts';
import {
  executePlan,
  type ExecuteOptions,
} from '../../../../main/merging/streaming/execute-plan.ts';
import type { MergePlan } from '../../../../main/merging/plan.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import {
  mergedInMemory,
  methodNamed,
  nearestBf16,
  oddShapes,
  planOf,
  storeModels,
} from './plans.ts';

const MIB = 1024 * 1024;

let folder: string;
let models: StoredCheckpoint[];
let hashCache: string;
let count = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  hashCache = join(folder, 'hashes.jsonl');
  models = await storeModels(folder, oddShapes, ['BF16', 'BF16', 'F32', 'F16']);
});

async function execute(plan: MergePlan, options: ExecuteOptions = {}): Promise<StoredCheckpoint> {
  const target = join(folder, `merged-${count++}`);
  await executePlan(plan, target, { hashCache, ...options });
  return openCheckpoint(target);
}

async function storedBytes(checkpoint: StoredCheckpoint): Promise<Record<string, string>> {
  const bytes: Record<string, string> = {};
  for (const name of Object.keys(oddShapes)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of checkpoint.chunks(name)) chunks.push(chunk);
    bytes[name] = Buffer.concat(chunks).toString('hex');
  }
  return bytes;
}

/** What every method must stand: several threads, small tiles, many shards. */
const demanding: ExecuteOptions = { threads: 2, ceilingBytes: 330 * MIB, shardBytes: 20_000 };

it.each(methods.map(({ id }) => id))(
  '%s gives what the in-memory driver gives, rounded once to bf16',
  async (id) => {
    const plan = planOf(models, methodNamed(id));
    const merged = await execute(plan, demanding);
    for (const [name, expected] of await mergedInMemory(plan)) {
      const { data } = await merged.read(name);
      expect([...data], name).toEqual([...expected].map(nearestBf16));
    }
  },
);

it.each(['linear', 'ties'])(
  '%s gives the same bytes for any thread count, ceiling and shard size',
  async (id) => {
    const plan = planOf(models, methodNamed(id), {}, 'F32');
    const reference = await storedBytes(await execute(plan, { threads: 1 }));
    for (const options of [{ threads: 3 }, demanding]) {
      expect(await storedBytes(await execute(plan, options))).toEqual(reference);
    }
  },
);
