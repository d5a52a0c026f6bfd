import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import { argmax } from '../../../main/evaluation/tally.ts';
import { exportModel } from '../../../main/exporting/export.ts';
import { modelOutputs, type Outputs } from '../../../main/exporting/verify.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { exportSource, images, isDynamic, named, temporaryFolder, variants } from './fixture.ts';

const folder = temporaryFolder();
const engine = createOnnxEngine({ threads: 1 });
const child = fileURLToPath(new URL('./onnx-child.ts', import.meta.url));
const run = promisify(execFile);

/** Outputs for each of `batches`, computed by a process that knows nothing of this application. */
async function runAlone(
  model: string,
  batches: readonly Tensor[],
  outputs: Iterable<string>,
): Promise<Outputs[]> {
  const given: string[] = [];
  for (const { shape, data } of batches) {
    const file = path.join(folder(), `images-${given.length}.f32`);
    await writeFile(file, data);
    given.push(file, shape.join());
  }
  const options = ['--import', 'tsx', child, model, [...outputs].join(), ...given];
  const { stdout } = await run(process.execPath, options);
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const results = JSON.parse(line) as { name: string; shape: number[]; data: number[] }[];
      return new Map(
        results.map(({ name, shape, data }) => [name, { shape, data: Float32Array.from(data) }]),
      );
    });
}

function predictions({ shape: [count = 0, classes = 0], data }: Tensor): number[] {
  return Array.from({ length: count }, (_, i) =>
    argmax(data.subarray(i * classes, (i + 1) * classes)),
  );
}

function expectEqual(found: Outputs, wanted: Outputs): void {
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, { shape, data }] of wanted) {
    const tensor = found.get(name);
    expect(tensor?.shape, name).toEqual(shape);
    const limit = 1e-5 * Math.max(...data.map(Math.abs));
    data.forEach((value, i) => {
      expect(Math.abs((tensor?.data[i] ?? NaN) - value), name).toBeLessThanOrEqual(limit);
    });
  }
}

describe('the ONNX file in a process of its own', () => {
  test.each(variants)('%s gives the same outputs for any batch size', async (variant) => {
    const source = exportSource(variant);
    const { path: target } = await exportModel(source, 'onnx', path.join(folder(), variant), {
      engine,
    });
    const batches = [1, 3, 5].map((size) => images(size));
    const names = ['features', ...(isDynamic(variant) ? ['routing'] : [])];
    const logits = source.tasks.map(({ head }) => `logits/${head.task}`);
    const found = await runAlone(path.join(target, 'model.onnx'), batches, [...names, ...logits]);
    for (const [i, batch] of batches.entries()) {
      const wanted = await modelOutputs(engine, named(source), source.tasks, batch);
      expectEqual(found[i]!, wanted);
      for (const name of logits) {
        expect(predictions(found[i]!.get(name)!)).toEqual(predictions(wanted.get(name)!));
      }
    }
  });

  test('every image has its own routing weights', async () => {
    const source = exportSource('wemoe2');
    const { path: target } = await exportModel(source, 'onnx', path.join(folder(), 'own'), {
      engine,
    });
    const file = path.join(target, 'model.onnx');
    const [outputs] = await runAlone(file, [images(2)], ['routing']);
    const { shape, data } = outputs!.get('routing')!;
    expect(shape).toEqual([2, 2, 3]);
    expect([...data.slice(0, 6)]).not.toEqual([...data.slice(6)]);
  });

  test('weights in a file beside the model', async () => {
    const source = exportSource('wemoe2');
    const options = { engine, inlineBytes: 1000 };
    const target = path.join(folder(), 'external');
    const { files } = await exportModel(source, 'onnx', target, options);
    const sizes = new Map(files.map(({ name, bytes }) => [name, bytes]));
    expect([...sizes.keys()].slice(0, 2)).toEqual(['model.onnx.data', 'model.onnx']);
    expect(sizes.get('model.onnx.data')).toBeGreaterThan(100_000);
    const batch = images(3);
    const wanted = await modelOutputs(engine, named(source), source.tasks, batch);
    const [found] = await runAlone(path.join(target, 'model.onnx'), [batch], wanted.keys());
    expectEqual(found!, wanted);
  });

  test('says how to preprocess, which classes there are, and where it comes from', async () => {
    const source = exportSource('wemoe1');
    const { path: target } = await exportModel(source, 'onnx', path.join(folder(), 'said'), {
      engine,
    });
    const text = await readFile(path.join(target, 'model.onnx'), 'latin1');
    expect(text).toContain(source.recipe.sha256);
    expect(text).toContain('"mean":[0.5,0.4,0.3],"std":[0.2,0.25,0.3]');
    expect(text).toContain('"shapes":["shapes | 0","shapes | 1","shapes | 2"]');
    expect(text).toContain('The licences of the base model');
  });

  test('a merge that no image changes is stored as one weight set', async () => {
    const size = async (variant: 'static' | 'adamerging' | 'wemoe0' | 'wemoe1') => {
      const target = path.join(folder(), `size-${variant}`);
      return (await exportModel(exportSource(variant), 'onnx', target, { engine })).bytes;
    };
    const plain = await size('static');
    expect(await size('adamerging')).toBeLessThan(plain * 1.1);
    expect(await size('wemoe0')).toBeLessThan(plain * 1.1);
    expect(await size('wemoe1')).toBeGreaterThan(plain * 1.5);
  });
});
