/** Merges in processes of their own that are killed; test/faults does so at every call, and fills disks. */
import { spawn } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleMergeThread, bundleWhenStale, root } from '../../build/bundles.ts';
import { randomStream } from '../../main/lib/random.ts';
import type { MergeRequest } from '../support/merge-child.ts';
import { filesBelow, temporaryFolder } from '../support/temporary-folder.ts';
import { storeModels } from '../unit/merging/streaming/plans.ts';

/** 5,000 KiB of bf16 in many pieces, so that there is a middle to be killed in. */
const shapes = Object.fromEntries(
  Array.from({ length: 20 }, (_, layer) => [`layers.${layer}.weight`, [250, 512]]),
);

const program = '.cache/bench/merge-child.mjs';

let folder: string;
let request: Omit<MergeRequest, 'target'>;
let whole: Map<string, Buffer>;
/** How long an unhurt one takes. */
let wholeMs: number;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(target: string) {
  const words = [join(root, program), JSON.stringify({ ...request, target })];
  const child = spawn(process.execPath, words, { stdio: 'pipe' });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (out += String(text)));
  child.stderr.on('data', (text: Buffer) => (err += String(text)));
  const end = new Promise<Ended>((done) => {
    child.on('close', (code) => done({ code, out, err }));
  });
  return { child, end };
}

beforeAll(async () => {
  await bundleMergeThread('.cache/bench');
  await bundleWhenStale('test/support/merge-child.ts', program, 'build/bundles.ts', {
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  folder = await temporaryFolder();
  const models = await storeModels(join(folder, 'models'), shapes, ['BF16', 'BF16', 'F16']);
  request = {
    models: models.map(({ path }) => path),
    method: 'ties',
    dtype: 'BF16',
    options: {
      threads: 2,
      resume: true,
      shardBytes: 2_000_000,
      hashCache: join(folder, 'hashes'),
    },
  };
  const target = join(folder, 'whole');
  const begun = performance.now();
  const { code, err } = await start(target).end;
  wholeMs = performance.now() - begun;
  expect(code, err).toBe(0);
  whole = await filesBelow(target);
});

describe('a merge that is killed', () => {
  it('at random moments, again and again: never a torn result, and the same bytes in the end', async () => {
    const parent = join(folder, 'killed');
    await mkdir(parent);
    const target = join(parent, 'merged');
    const random = randomStream('kills');
    for (let kills = 0; kills < 5;) {
      const { child, end } = start(target);
      const ended = await Promise.race([end, delay(wholeMs * random())]);
      if (ended === undefined) {
        child.kill('SIGKILL');
        await end;
        kills++;
      } else {
        expect(ended.code, ended.err).toBe(0);
      }
      const names = await readdir(parent);
      expect(names.length).toBeLessThanOrEqual(1);
      if (!names.includes('merged')) continue;
      expect(await filesBelow(target)).toEqual(whole);
      await rm(target, { recursive: true });
    }
    const { code, err } = await start(target).end;
    expect(code, err).toBe(0);
    expect(await readdir(parent)).toEqual(['merged']);
    expect(await filesBelow(target)).toEqual(whole);
  });

  it('while it writes: the next one goes on instead of beginning anew', async () => {
    const parent = join(folder, 'continued');
    await mkdir(parent);
    const target = join(parent, 'merged');
    const { child, end } = start(target);
    // Every dot is a report of progress; later ones come from merged pieces.
    let dots = 0;
    await new Promise<void>((done) => {
      child.stderr.on('data', (text: Buffer) => {
        dots += text.length;
        if (dots >= 3) done();
      });
      child.on('close', () => done());
    });
    child.kill('SIGKILL');
    await end;
    expect(await readdir(parent)).toEqual([expect.stringMatching(/\.merge$/)]);
    const { code, out, err } = await start(target).end;
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ resumed: true });
    expect(await filesBelow(target)).toEqual(whole);
    expect(await readdir(parent)).toEqual(['merged']);
  });
});
