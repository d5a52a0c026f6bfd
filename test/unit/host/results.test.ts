import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../main/checkpoints/safetensors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { draftWith, expectFailed, hostWithProject, watch } from './support.ts';

const methods = [
  { id: 'individual' },
  { id: 'simple_average' },
  {
    id: 'wemoe_1',
    method: 'wemoe',
    parameters: { router_layers: 1, steps: 4, learning_rate: 0.05, lambda: 0.2 },
  },
];

let host: Awaited<ReturnType<typeof hostWithProject>>;
let run = '';
beforeAll(async () => {
  host = await hostWithProject(methods);
  run = (await host.client.merge.start(await draftWith(host.client))).run;
  await watch(host.client, run);
});

const wemoe = () => ({ run, method: 'wemoe_1' });

/** λ [images, layers, K] of a task as the run wrote them. */
async function lambdas(task: string): Promise<Float32Array> {
  const file = await openSafetensors(join(host.folder, 'runs', run, 'routing.safetensors'));
  const { shape, data } = await file.read(`wemoe_1/${task}`);
  expect(shape).toEqual([7, 1, 2]);
  await file.close();
  return data;
}

async function predicted(method: string, task: string): Promise<number[]> {
  const path = join(host.folder, 'runs', run, 'predictions', `${method}.json`);
  const { tasks } = JSON.parse(await readFile(path, 'utf8')) as {
    tasks: Record<string, { predicted: number[]; confidence: number[] }>;
  };
  expect(tasks[task]!.confidence.every((p) => p > 0 && p <= 1)).toBe(true);
  return tasks[task]!.predicted;
}

describe('routing', () => {
  it('is that of routing.safetensors', async () => {
    const { client } = host;
    expect(await client.routing.methods({ run })).toEqual([
      { method: 'wemoe_1', title: 'WEMoE l=1' },
    ]);
    const routing = await client.routing.get(wemoe());
    expect(routing).toMatchObject({
      tasks: ['digits', 'shapes'],
      experts: ['digits', 'shapes'],
      layers: 1,
      lambda0: 0.2,
      images: { digits: 7, shapes: 7 },
    });
    for (const [t, task] of ['digits', 'shapes'].entries()) {
      const data = await lambdas(task);
      const rows = Array.from({ length: 7 }, (_, i) => [data[2 * i]!, data[2 * i + 1]!]);
      for (const k of [0, 1]) {
        const mean = rows.reduce((sum, row) => sum + row[k]!, 0) / 7;
        expect(routing.mean[0]![t]![k]).toBeCloseTo(mean, 9);
      }
      const own = rows.filter((row) => row[t]! >= row[1 - t]!).length / 7;
      expect(routing.firstChoice[0]![t]).toBe(own);
    }
  });

  it('formed from before the first update', async () => {
    const { steps, mean } = await host.client.routing.snapshots(wemoe());
    expect(steps).toEqual([0, 1, 2, 3]);
    // Routers start with weights near 0 and the last bias at λ0.
    for (const lambda of mean[0]!.flat(2)) expect(Math.abs(lambda - 0.2)).toBeLessThan(0.1);
    expect(mean[3]).not.toEqual(mean[0]);
  });

  it('leads to images, and from an image to its λ', async () => {
    const { client } = host;
    const data = await lambdas('shapes');
    const which = { ...wemoe(), layer: 0, task: 'shapes', expert: 'digits' };
    const ask = (order: 'highest' | 'lowest', offset: number, limit: number) =>
      client.routing.images({ ...which, order, offset, limit });
    const all = await ask('highest', 0, 256);
    expect(all.total).toBe(7);
    expect(all.images.map(({ lambda }) => lambda)).toEqual(
      Array.from({ length: 7 }, (_, i) => data[2 * i]!).sort((a, b) => b - a),
    );
    expect((await ask('highest', 5, 10)).images).toEqual(all.images.slice(5));
    expect((await ask('lowest', 0, 1)).images[0]).toEqual(all.images.at(-1));
    const { image } = all.images[0]!;
    const one = await client.routing.image({ ...wemoe(), task: 'shapes', image });
    expect(one.lambda).toEqual([[data[2 * image], data[2 * image + 1]]]);
    expect(one.label).toBe(`class ${image % 3}`);
    expect(one.predicted).toBe(`class ${(await predicted('wemoe_1', 'shapes'))[image]}`);
    expect(one.confidence).toBeGreaterThan(0);
  });

  it('is asked for what a run does not have', async () => {
    const { client } = host;
    const average = { run, method: 'simple_average' };
    await expectFailed(client.routing.get(average), 'run.no_result');
    await expectFailed(client.routing.snapshots(average), 'run.no_result');
    await expectFailed(client.routing.get({ run, method: 'none' }), 'run.no_result');
    const image = { ...wemoe(), task: 'digits', image: 7 };
    await expectFailed(client.routing.image(image), 'run.no_result');
  });
});

describe('disagreements', () => {
  it('are the images on which predictions differ', async () => {
    const [a, b] = [await predicted('wemoe_1', 'digits'), await predicted('individual', 'digits')];
    const ask = (right: 'any' | 'a' | 'b' | 'neither') =>
      host.client.compare.disagreements({
        a: wemoe(),
        b: { run, method: 'individual' },
        task: 'digits',
        right,
        offset: 0,
        limit: 256,
      });
    const differing = [...a.keys()].filter((image) => a[image] !== b[image]);
    const any = await ask('any');
    expect(any.images.map(({ image }) => image).sort((x, y) => x - y)).toEqual(differing);
    const surest = any.images.map(({ a: x, b: y }) => Math.max(x.confidence!, y.confidence!));
    expect(surest).toEqual(surest.toSorted((x, y) => y - x));
    expect(any.total).toBe(differing.length);
    for (const { image, label, a: first, b: second } of any.images) {
      expect(label).toBe(`class ${image % 4}`);
      expect(first).toMatchObject({
        predicted: `class ${a[image]}`,
        right: a[image] === image % 4,
      });
      expect(second).toMatchObject({
        predicted: `class ${b[image]}`,
        right: b[image] === image % 4,
      });
    }
    const parts = [await ask('a'), await ask('b'), await ask('neither')];
    expect(parts.reduce((sum, { total }) => sum + total, 0)).toBe(any.total);
  });

  it('have no confidences in runs of an earlier version, and need the same images', async () => {
    const { client, folder } = host;
    const path = join(folder, 'runs', run, 'predictions/simple_average.json');
    const digits = [0, 1, 2, 3, 0, 1, 3];
    await writeFile(path, JSON.stringify({ digits, shapes: [0, 1] }));
    const pair = { a: { run, method: 'simple_average' }, b: wemoe() };
    const rest = { right: 'any', offset: 0, limit: 8 } as const;
    const { images } = await client.compare.disagreements({ ...pair, task: 'digits', ...rest });
    expect(images.length).toBeGreaterThan(0);
    expect(images[0]!.a.confidence).toBeNull();
    await expectFailed(
      client.compare.disagreements({ ...pair, task: 'shapes', ...rest }),
      'data.invalid',
    );
    await expectFailed(
      client.compare.disagreements({ ...pair, task: 'none', ...rest }),
      'run.no_result',
    );
  });
});

describe('exports', () => {
  it('offers what a method can become, with sizes close to what is written', async () => {
    const { client, folder, told } = host;
    const choices = await client.exports.choices(wemoe());
    expect(choices.map(({ format, mode }) => `${mode} ${format}`)).toEqual([
      'dynamic onnx',
      'dynamic safetensors',
      'static onnx',
      'static safetensors',
    ]);
    const { average } = (await client.runs.report({ run })).methods[2]!;
    expect(choices.map((each) => each.average)).toEqual([average, average, null, null]);
    for (const { format, mode, bytes } of choices) {
      const updates = [];
      const start = client.exports.start({ ...wemoe(), format, mode });
      for await (const update of await start) updates.push(update);
      const stages = updates.flatMap((u) => (u.type === 'progress' ? [u.stage] : []));
      const measuring = mode === 'static' ? ['measuring'] : [];
      expect(stages).toEqual(['loading', ...measuring, 'writing', 'verifying', 'publishing']);
      const finished = updates.at(-1)!;
      if (finished.type !== 'finished') throw new Error('not finished');
      expect(finished.location).toBe(join(folder, 'exports', `${run}-wemoe_1-${mode}-${format}`));
      const { location: path, place } = finished;
      expect(told).toContainEqual({ type: 'place', handle: place, path });
      expect(finished.verification).toMatch(/^Opened again and compared: .*outputs equal/);
      const weights = finished.files.find(({ name }) => /^model\./.test(name))!;
      // Shapes do not tell names, programs and the model card.
      expect(Math.abs(weights.bytes - bytes)).toBeLessThan(20_000);
      expect(existsSync(join(path, weights.name))).toBe(true);
    }
    const [, , fold] = await client.exports.choices(wemoe());
    expect(fold!.average).not.toBeNull();
    const [only, other] = await client.exports.choices({ run, method: 'simple_average' });
    expect([only!.mode, other!.mode]).toEqual(['static', 'static']);
    expect(only!.average).not.toBeNull();
  });

  it('leaves nothing behind when the listener goes away', async () => {
    const { client, handle } = host;
    const folder = await temporaryFolder();
    const start = { ...wemoe(), format: 'onnx', mode: 'static', target: handle(folder) } as const;
    for await (const update of await client.exports.start(start)) {
      if (update.type === 'progress' && update.stage === 'measuring') break;
    }
    await expect.poll(() => readdir(folder)).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await readdir(folder)).toEqual([]);
  });

  it('does not replace what a person put there', async () => {
    const { client, folder } = host;
    const which = { run, method: 'simple_average' };
    const target = join(folder, 'exports', `${run}-simple_average-static-onnx`);
    const start = async () => {
      const stream = await client.exports.start({ ...which, format: 'onnx', mode: 'static' });
      for await (const _ of stream);
    };
    await start();
    await start();
    await writeFile(join(target, 'notes.txt'), 'mine');
    await expectFailed(start(), 'file.folder_not_ours');
    await expectFailed(
      client.exports.choices({ run, method: 'individual' }),
      'export.unknown_method',
    );
  });
});
