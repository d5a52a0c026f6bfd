/** Frozen weights in fp16: the numbers are those of the rounded weights in fp32, in half the memory. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import { createEngine } from '../../../main/engine/choice.ts';
import { encodeProgram } from '../../../main/engine/onnx/model.ts';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import { openEngine } from '../../../main/engine/registry.ts';
import { Builder } from '../../../main/graph/builder.ts';
import { widened, type Tensor } from '../../../main/lib/tensor.ts';
import type { MergedModel } from '../../../main/models/merged-model.ts';
import { storedModel } from '../../../main/runs/storage.ts';
import { moved, runStep, stepOf } from '../../support/adaptation-step.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { expertSet, randomHead } from '../../support/tiny-models.ts';
import { runOnce } from './engines-under-test.ts';
import { deviations } from './numbers.ts';

const halves = createOnnxEngine({ threads: 1, storage: 'fp16' });
const wide = createOnnxEngine({ threads: 1 });

const given = createWemoe(expertSet(2), { depth: 1, lambda: 0.3, seed: 1 });
const model = storedModel('fp16', given);
const rounded: MergedModel = {
  ...model,
  constants: new Map([...model.constants].map(([name, tensor]) => [name, widened(tensor)])),
};
const heads = [randomHead('a', 3, 16), randomHead('b', 6, 16)];
const values = moved(given, 0.05);

function worst(actual: Record<string, Tensor>, expected: Record<string, Tensor>): number {
  return Math.max(...Object.values(deviations(actual, expected)));
}

describe.each(['per-sample', 'batch-mean'] as const)(
  'a step with fp16 storage, %s',
  (reduction) => {
    const step = { heads, batch: 2, reduction, values };

    it('is the step with the rounded weights in fp32', async () => {
      const found = await runStep({ ...step, model }, halves);
      const expected = await runStep({ ...step, model: rounded }, wide);
      expect(worst(found, expected)).toBeLessThan(1e-5);
      // And not that with the weights as they were, or nothing would have been rounded.
      const unrounded = await runStep({ ...step, model: given }, wide);
      expect(worst(found, unrounded)).toBeGreaterThan(2e-5);
    });

    it('gives the same bytes again, with more threads and through a file too', async () => {
      const first = await runStep({ ...step, model }, halves);
      for (const options of [{ threads: 1 }, { threads: 2 }, { threads: 1, inlineLimit: 0 }]) {
        const engine = createOnnxEngine({ storage: 'fp16', ...options });
        expect(await runStep({ ...step, model }, engine)).toEqual(first);
      }
    });
  },
);

describe('constants in fp16', () => {
  const { program, inputs } = stepOf({ model, heads, batch: 2, reduction: 'batch-mean', values });

  it('take half the bytes of the model', () => {
    const before = encodeProgram(program, rounded.constants).length;
    const after = encodeProgram(program, model.constants).length;
    let saved = 0;
    for (const [name, tensor] of model.constants) {
      if (tensor !== given.constants.get(name))
        saved += 2 * rounded.constants.get(name)!.data.length;
    }
    expect(saved).toBeGreaterThan(10_000);
    // Widenings take some.
    expect(before - after).toBeGreaterThan(0.7 * saved);
  });

  it('are widened once for each use, right before it, by what the runtime makes of the program', async () => {
    const folder = await temporaryFolder();
    const engine = createOnnxEngine({
      threads: 1,
      storage: 'fp16',
      profile: join(folder, 'profile'),
    });
    await runOnce(engine, program, inputs, model.constants);
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), 'utf8')) as {
      cat: string;
      name: string;
      args: { op_name?: string };
    }[];
    const nodes = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
    const ops = nodes.map(({ args }) => args.op_name);
    const stored = new Set(
      program.parameters.flatMap(({ name, value }) => {
        const tensor = model.constants.get(name);
        return tensor !== undefined && tensor !== given.constants.get(name) ? [value] : [];
      }),
    );
    const uses = program.equations.flatMap(({ inputs: read }) => read.filter((v) => stored.has(v)));
    const casts = ops.flatMap((op, place) => (op === 'Cast' ? [place] : []));
    expect(uses.length).toBeGreaterThan(stored.size);
    expect(casts.length).toBe(uses.length);
    // Nodes carry the number of their equation: that of a widening is the next but one at the latest, as a product with
    // a sum widens two.
    const equations = nodes.map(({ name }) => /@(\d+)/.exec(name)?.[1]);
    const waiting = casts.map((place) => equations.lastIndexOf(equations[place]) - place);
    expect(Math.max(...waiting)).toBeLessThanOrEqual(2);
  });

  it('may be results, and sides of every operation', async () => {
    const b = new Builder();
    const x = b.input('x', [16, 16]);
    const w = b.constant('w', [16, 16]);
    const program = b.build('plain', { same: w, sum: b.add(x, w), product: b.matmul(w, x) });
    const tensor = { shape: [16, 16], data: Float32Array.from({ length: 256 }, (_, i) => i / 7) };
    const plain: MergedModel = { ...given, constants: new Map([['w', tensor]]) };
    const { constants } = storedModel('fp16', plain);
    const w32 = new Map([['w', widened(constants.get('w')!)]]);
    const found = await runOnce(halves, program, { x: tensor }, constants);
    expect(worst(found, await runOnce(wide, program, { x: tensor }, w32))).toBeLessThan(1e-6);
    expect(found['same']!.data[1]).toBe(w32.get('w')!.data[1]);
    expect(found['same']!.data[1]).not.toBe(tensor.data[1]);
  });
});

describe('engines', () => {
  it('say how they keep weights', async () => {
    expect(halves.description.precision).toBe('fp32, weights stored as fp16');
    expect(wide.description.precision).toBe('fp32');
    const { description } = await createEngine('onnx', { storage: 'fp16', threads: 1 });
    expect(description.precision).toBe('fp32, weights stored as fp16');
  });

  it.each(['tfjs', 'reference'])('%s refuses fp16, as it would save nothing', async (id) => {
    const { message } = await expectFailure(
      createEngine(id, { storage: 'fp16' }),
      'engine.unavailable',
    );
    expect(message).toMatch(/no tensors of fp16/);
  });

  it.each(['tfjs-wasm', 'reference'] as const)('%s still computes with them', async (id) => {
    const engine = await openEngine(id);
    const step = { heads, batch: 2, reduction: 'batch-mean', values } as const;
    const found = await runStep({ ...step, model }, engine);
    expect(worst(found, await runStep({ ...step, model: rounded }, wide))).toBeLessThan(1e-4);
  });
});
