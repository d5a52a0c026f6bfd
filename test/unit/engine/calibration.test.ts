import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  calibrationKey,
  readCalibration,
  writeCalibration,
} from '../../../main/engine/calibration-cache.ts';
import { calibrate } from '../../../main/engine/calibration.ts';
import {
  calibrationStep,
  productOperations,
  type BlockShape,
} from '../../../main/engine/calibration-step.ts';
import { createEngine, fastestOf } from '../../../main/engine/choice.ts';
import type { Engine } from '../../../main/engine/engine.ts';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { verify } from '../../../main/graph/verify.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const shape: BlockShape = { images: 2, tokens: 5, width: 8, hidden: 12, heads: 2 };
const onnx = createOnnxEngine({ threads: 1 });
const reference = createReferenceEngine();

beforeEach(async () => {
  vi.stubEnv('XDG_CACHE_HOME', await temporaryFolder());
});

describe('a block of a step', () => {
  it('counts its matrix products', () => {
    const program = calibrationStep(shape);
    verify(program);
    const { images, tokens, width: d, hidden: m } = shape;
    const rows = images * tokens;
    const attention = 2 * rows * 4 * d * d + 2 * 2 * rows * tokens * d;
    // Forward w1 and w2; backward to both, and through w2.
    expect(productOperations(program)).toBe(attention + 5 * 2 * rows * d * m);
  });

  it('is timed on every engine that gives the numbers of the first', async () => {
    const wrong: Engine = {
      ...reference,
      compile: async (program, constants) => {
        const executable = await reference.compile(program, constants);
        const run: typeof executable.run = async (inputs) => {
          const results = await executable.run(inputs);
          return Object.fromEntries(
            Object.entries(results).map(([name, { shape: dims, data }]) => [
              name,
              { shape: dims, data: data.map((x) => 1.01 * x) },
            ]),
          );
        };
        return { ...executable, run };
      },
    };
    const broken: Engine = { ...onnx, compile: () => Promise.reject(new Error('device lost')) };
    const rows = await calibrate(
      [
        { id: 'onnx', engine: onnx },
        { id: 'wrong', engine: wrong },
        { id: 'broken', engine: broken },
        { id: 'reference', engine: reference },
      ],
      shape,
    );
    expect(rows[0]).toMatchObject({ id: 'onnx', gflops: expect.any(Number) as number });
    expect(rows[1]).toEqual({ id: 'wrong', failure: 'it gives other numbers than the others' });
    expect(rows[2]).toEqual({ id: 'broken', failure: 'device lost' });
    expect(rows[3]).toMatchObject({ id: 'reference', seconds: expect.any(Number) as number });
  });
});

describe('the table of measurements', () => {
  const candidates = [{ id: 'onnx', engine: onnx }];
  const key = calibrationKey(candidates, shape);

  it('is kept under everything it depends on', async () => {
    const rows = [{ id: 'onnx', seconds: 0.5, gflops: 100 }];
    await writeCalibration(key, rows);
    expect(await readCalibration(key)).toMatchObject({ rows });
    const changed = (change: Partial<Engine['description']>) => ({
      ...onnx,
      description: { ...onnx.description, ...change },
    });
    const adapter = { name: 'card', driver: '1', software: false };
    const keys = [
      key,
      calibrationKey(candidates, { ...shape, images: 3 }),
      calibrationKey([{ id: 'onnx', engine: changed({ title: 'ONNX Runtime 2' }) }], shape),
      calibrationKey([{ id: 'onnx', engine: changed({ threads: 2 }) }], shape),
      calibrationKey([{ id: 'onnx', engine: changed({ adapter }) }], shape),
      calibrationKey(
        [{ id: 'onnx', engine: changed({ adapter: { ...adapter, driver: '2' } }) }],
        shape,
      ),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    for (const other of keys.slice(1)) expect(await readCalibration(other)).toBeUndefined();
  });

  it('is made anew when its file is damaged', async () => {
    await writeCalibration(key, [{ id: 'onnx', seconds: 0.5, gflops: 100 }]);
    const file = join(process.env['XDG_CACHE_HOME'] ?? '', 'mergewright', 'engines.json');
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, 40));
    expect(await readCalibration(key)).toBeUndefined();
    await writeCalibration(key, [{ id: 'onnx', failure: 'x' }]);
    expect(await readCalibration(key)).toMatchObject({ rows: [{ id: 'onnx', failure: 'x' }] });
  });

  it('serves auto the second time', async () => {
    const first = await createEngine('auto', { threads: 1, shape });
    expect(first.reason).toContain('measured now');
    const again = await createEngine('auto', { threads: 1, shape });
    expect(again.reason).toMatch(/measured on \d{4}-\d\d-\d\d/);
    expect(again.description).toEqual(first.description);
  });
});

it('takes another engine only when it is clearly faster', () => {
  const row = (id: string, gflops: number) => ({ id, seconds: 1 / gflops, gflops });
  expect(fastestOf([row('a', 100), row('b', 110)])?.id).toBe('a');
  expect(fastestOf([row('a', 100), row('b', 120)])?.id).toBe('b');
  expect(fastestOf([{ id: 'a', failure: 'x' }, row('b', 1)])?.id).toBe('b');
  expect(fastestOf([{ id: 'a', failure: 'x' }])).toBeUndefined();
});
