import { describe, expect, it, vi } from 'vitest';
import { measureGflops } from '../../../main/engine/benchmark.ts';
import { createEngine } from '../../../main/engine/choice.ts';
import { engineListingIds, listEngines, openEngine } from '../../../main/engine/registry.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

vi.stubEnv('XDG_CACHE_HOME', await temporaryFolder());

describe('the list of engines', () => {
  it('has every engine, with what it runs on or why it does not run', async () => {
    const listings = await listEngines({ threads: 1 });
    expect(listings.map(({ id }) => id)).toEqual(engineListingIds);
    for (const listing of listings) {
      expect(listing.title).not.toBe('');
      if (listing.available) {
        expect(listing.threads).toBeGreaterThan(0);
        expect(['cpu', 'gpu']).toContain(listing.device);
        expect(listing.precision).toBe('fp32');
      } else {
        expect(listing.reason).not.toBe('');
        // A reason is for people: one line, without paths of this machine.
        expect(listing.reason).not.toMatch(/\n|node_modules/);
      }
    }
    expect(listings).toContainEqual(
      expect.objectContaining({ id: 'onnx', available: true, threads: 1 }),
    );
    expect(listings).toContainEqual(expect.objectContaining({ id: 'tfjs-wasm', available: true }));
    expect(listings).toContainEqual(expect.objectContaining({ id: 'reference', available: true }));
  });

  it.each(['tfjs-node-gpu', 'tfjs-node'] as const)(
    '%s is held to the same tests where it runs',
    async (id) => {
      const listing = (await listEngines()).find((candidate) => candidate.id === id);
      if (listing?.available === false) {
        await expect(openEngine(id)).rejects.toMatchObject({
          code: 'engine.unavailable',
          what: `the engine ${id} cannot run here: ${listing.reason}`,
        });
      } else {
        expect((await openEngine(id)).description.id).toBe('tfjs');
      }
    },
  );
});

describe('the choice of an engine', () => {
  it.each(['onnx', 'reference'] as const)('%s is what was asked for', async (choice) => {
    const engine = await createEngine(choice, { threads: 1 });
    expect(engine.description.id).toBe(choice);
    expect(engine.reason).toBe('it was asked for');
  });

  it('tfjs says which backends it passed over, and why', async () => {
    const engine = await createEngine('tfjs');
    expect(engine.description.id).toBe('tfjs');
    for (const { id, available, ...listing } of await listEngines()) {
      if (!available && id.startsWith('tfjs') && 'reason' in listing)
        expect(engine.reason).toContain(`${id} does not run`);
    }
  });

  it('auto takes the fastest and shows the measurements', async () => {
    const engine = await createEngine('auto');
    const speeds = [...engine.reason.matchAll(/([\w-]+) (\d+\.\d) GFLOP\/s/g)].map(
      ([, id = '', speed]) => ({ id, speed: Number(speed) }),
    );
    expect(speeds.map(({ id }) => id)).toEqual(expect.arrayContaining(['onnx', 'tfjs-wasm']));
    const taken = speeds.filter(({ id }) => id.startsWith(engine.description.id));
    const best = (rows: typeof speeds) => Math.max(...rows.map(({ speed }) => speed));
    // Another one would have to be clearly faster.
    expect(1.16 * best(taken)).toBeGreaterThanOrEqual(best(speeds));
  });

  it('an unknown name is an error that lists the names', async () => {
    await expect(createEngine('cuda')).rejects.toMatchObject({
      code: 'engine.unknown',
      what: 'there is no engine "cuda"',
      hint: 'choose one of auto, onnx, onnx-webgpu, onnx-cuda, onnx-directml, onnx-coreml, tfjs, reference',
    });
  });
});

it('measures a plausible speed', async () => {
  const engine = await openEngine('reference');
  const gflops = await measureGflops(engine, { size: 24, seconds: 0.01 });
  expect(gflops).toBeGreaterThan(1e-5);
  expect(gflops).toBeLessThan(10);
});
