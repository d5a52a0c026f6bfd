import { open, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import {
  exportModel,
  type ExportOptions,
  type ExportResult,
} from '../../../main/exporting/export.ts';
import { foldStatic } from '../../../main/exporting/fold.ts';
import { loadExported } from '../../../main/exporting/load.ts';
import { modelOutputs, type Outputs } from '../../../main/exporting/verify.ts';
import { AppError, CancelledError } from '../../../main/lib/errors.ts';
import { staticModel } from '../../../main/models/merged-model.ts';
import { visionTensors } from '../../../main/models/vit.ts';
import {
  config,
  contents,
  exportSource,
  images,
  isDynamic,
  temporaryFolder,
  named,
  variants,
} from './fixture.ts';

const folder = temporaryFolder();
const engine = createOnnxEngine({ threads: 1 });
let count = 0;
const fresh = () => path.join(folder(), `export-${count++}`);

async function exported(
  variant: (typeof variants)[number],
  format: 'safetensors' | 'onnx',
  options: Partial<ExportOptions> = {},
): Promise<ExportResult> {
  return exportModel(exportSource(variant), format, fresh(), { engine, ...options });
}

function largestDifference(a: Outputs, b: Outputs): number {
  let largest = 0;
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, { shape, data }] of a) {
    const other = b.get(name);
    expect(other?.shape, name).toEqual(shape);
    const scale = Math.max(...data.map(Math.abs));
    data.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value - (other?.data[i] ?? NaN)) / scale);
    });
  }
  return largest;
}

describe('safetensors', () => {
  test.each(variants)('%s: what is read back gives the outputs of the source', async (variant) => {
    const source = exportSource(variant);
    const result = await exported(variant, 'safetensors');
    const loaded = await loadExported(result.path);
    expect(loaded.kind).toBe(isDynamic(variant) ? 'dynamic' : 'static');
    expect(loaded.tasks.map(({ classNames }) => classNames)).toEqual(
      source.tasks.map(({ classNames }) => classNames),
    );
    expect(loaded.experts).toEqual(['digits', 'letters', 'shapes']);
    expect(loaded.normalisation).toEqual(source.normalisation);
    const batch = images(5);
    const wanted = await modelOutputs(engine, named(source), source.tasks, batch);
    const found = await modelOutputs(engine, loaded, loaded.tasks, batch);
    expect(largestDifference(wanted, found)).toBeLessThan(1e-5);
    expect(wanted.has('routing')).toBe(isDynamic(variant));
  });

  test.each(variants.filter(isDynamic))('%s keeps every bit', async (variant) => {
    const source = exportSource(variant);
    const { path: target } = await exported(variant, 'safetensors');
    const { model, values } = await loadExported(target);
    for (const [name, { data }] of source.values) expect(values.get(name)?.data).toEqual(data);
    for (const [name, tensor] of source.model.constants) {
      expect(model.constants.get(name), name).toEqual(tensor);
    }
  });

  test.each(['safetensors', 'onnx'] as const)(
    'task vectors that are mostly zero take a fraction of the room: %s',
    async (format) => {
      const source = exportSource('e_wemoe');
      const [dense, sparse] = [await exported('wemoe2', format), await exported('e_wemoe', format)];
      const dictionaries = [...source.model.constants].filter(([name]) => name.includes('/'));
      const bytes = dictionaries.reduce((sum, [, { data }]) => sum + data.byteLength, 0);
      // A tenth of the values, and a bit for each place or an index of 64 bits for each of them; headers are small.
      const stored = { safetensors: 0.1 + 1 / 32, onnx: 0.3 }[format] * bytes;
      expect(dense.bytes - sparse.bytes).toBeGreaterThan(0.9 * (bytes - stored));
    },
  );

  test('a static export has the names, shapes and settings of transformers', async () => {
    const { path: target, kind } = await exported('adamerging', 'safetensors');
    expect(kind).toBe('static');
    const checkpoint = await openCheckpoint(target);
    const shapes = [...checkpoint.tensors.values()].map(({ name, shape }) => [name, shape]);
    expect(new Map(shapes as [string, number[]][])).toEqual(visionTensors(config));
    expect(checkpoint.metadata.get('format')).toBe('pt');
    expect(checkpoint.config).toMatchObject({
      model_type: 'clip_vision_model',
      architectures: ['CLIPVisionModel'],
      hidden_size: 16,
      dtype: 'float32',
    });
    await checkpoint.close();
    const text = await readFile(path.join(target, 'preprocessor_config.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      image_processor_type: 'CLIPImageProcessor',
      image_mean: [0.5, 0.4, 0.3],
      crop_size: { height: 8, width: 8 },
    });
  });

  test('an encoder with a projection keeps it', async () => {
    const source = exportSource('wemoe2', { ...config, projectionSize: 12 });
    for (const format of ['safetensors', 'onnx'] as const) {
      await exportModel(source, format, fresh(), { engine });
    }
    const vision = await foldStatic(source.model, source.values, [
      [0.3, 0.3, 0.3],
      [0.1, 0.2, 0.3],
    ]);
    const folded = { ...source, model: staticModel(vision), values: new Map() };
    const { path: target } = await exportModel(folded, 'safetensors', fresh(), { engine });
    const loaded = await loadExported(target);
    expect(loaded.model.config.projectionSize).toBe(12);
  });

  test.each(['F16', 'BF16'] as const)('%s rounds the encoder, never the routers', async (dtype) => {
    const result = await exported('wemoe2', 'safetensors', { dtype });
    const checkpoint = await openCheckpoint(result.path);
    for (const { name, dtype: stored } of checkpoint.tensors.values()) {
      expect(stored, name).toBe(name.startsWith('routers.') ? 'F32' : dtype);
    }
    await checkpoint.close();
    const features = result.verification.find(({ what }) => what.startsWith('features'));
    expect(features?.difference).toBeGreaterThan(1e-5);
    expect(features?.difference).toBeLessThan(2e-2);
  });
});

describe('every format', () => {
  const both = variants.flatMap((variant) => [
    [variant, 'safetensors'] as const,
    [variant, 'onnx'] as const,
  ]);
  test.each(both)('%s as %s: equal sources, equal bytes', async (variant, format) => {
    const first = await exported(variant, format);
    const second = await exported(variant, format);
    expect(await contents(first.path)).toEqual(await contents(second.path));
    expect(first.files).toEqual(second.files);
    expect(first.verification).toEqual(second.verification);
  });

  test.each(['safetensors', 'onnx'] as const)(
    '%s: recipe, model card, list of files',
    async (format) => {
      const { path: target, files, bytes } = await exported('wemoe2', format);
      const names = files.map(({ name }) => name);
      const there = (await contents(target)).keys();
      expect([...there].sort()).toEqual([...names, '.mergewright.json'].sort());
      expect(bytes).toBe(files.reduce((sum, file) => sum + file.bytes, 0));
      expect(await readFile(path.join(target, 'recipe.yaml'), 'utf8')).toBe(
        exportSource('wemoe2').recipe.text,
      );
      const card = await readFile(path.join(target, 'README.md'), 'utf8');
      expect(card).toContain('| Task digits (`digits`) | 90.00 % | 95.00 % | 94.74 % | 10 | 100 |');
      expect(card).toContain('adapted on unlabelled images');
      expect(card).toContain('abababab');
      for (const { name, sha256 } of files.slice(0, -1)) {
        expect(card).toContain(`\`${name}\``);
        expect(card).toContain(sha256);
      }
    },
  );

  test.each([
    ['wemoe2', 'onnx', 'onnxruntime.InferenceSession("model.onnx")'],
    ['static', 'safetensors', 'CLIPVisionModel.from_pretrained(".")'],
    ['wemoe2', 'safetensors', null],
  ] as const)('%s as %s: the snippet is the program of the model card', async (...row) => {
    const [variant, format, expected] = row;
    const { path: target, snippet } = await exported(variant, format);
    const card = await readFile(path.join(target, 'README.md'), 'utf8');
    if (expected === null) expect(snippet).toBeNull();
    else {
      expect(snippet?.code).toContain(expected.slice(0, -2));
      expect(card).toContain(`\`\`\`python\n${snippet?.code}\n\`\`\``);
    }
  });

  test.each(['safetensors', 'onnx'] as const)(
    '%s: a bit that flips after writing is found',
    async (format) => {
      const target = fresh();
      const flip = async (stage: string) => {
        if (stage !== 'verifying') return;
        const [part] = (await readdir(folder())).filter((name) => name.endsWith('.part'));
        const name = format === 'onnx' ? 'model.onnx' : 'model.safetensors';
        const file = await open(path.join(folder(), part ?? '', name), 'r+');
        const byte = Buffer.alloc(1);
        const { size } = await file.stat();
        await file.read(byte, 0, 1, size >> 1);
        await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, size >> 1);
        await file.close();
      };
      const failing = exportModel(exportSource('wemoe1'), format, target, {
        engine,
        onStage: flip,
      });
      await expect(failing).rejects.toMatchObject({ code: 'export.verify_failed' });
      const error = await failing.catch((thrown: unknown) => thrown as AppError);
      expect((error as AppError).where).toContain(target);
      expect((error as AppError).where).not.toContain('.part');
      expect(await readdir(folder())).not.toContain(path.basename(target));
      expect((await readdir(folder())).filter((name) => name.endsWith('.part'))).toEqual([]);
    },
  );

  test('a model whose files say something else than it does is refused', async () => {
    const source = exportSource('static');
    const lying = {
      ...source,
      model: {
        ...source.model,
        encode: (...[g, x, options]: Parameters<typeof source.model.encode>) => {
          const { features, routing } = source.model.encode(g, x, options);
          return { features: g.scale(features, 1.001), routing };
        },
      },
    };
    for (const format of ['safetensors', 'onnx'] as const) {
      const failing = exportModel(lying, format, fresh(), { engine });
      await expect(failing).rejects.toMatchObject({
        code: 'export.verify_failed',
        what: expect.stringContaining('differs from the source model') as string,
      });
    }
  });

  test.each(['writing', 'verifying', 'publishing'] as const)(
    'cancelling while %s leaves nothing',
    async (when) => {
      for (const format of ['safetensors', 'onnx'] as const) {
        const before = await readdir(folder());
        const controller = new AbortController();
        const onStage = (stage: string) => {
          if (stage === when) controller.abort();
        };
        const { signal } = controller;
        const failing = exported('wemoe2', format, { signal, onStage });
        await expect(failing).rejects.toThrow(CancelledError);
        expect(await readdir(folder())).toEqual(before);
      }
    },
  );

  test('an earlier export is replaced only when that is allowed', async () => {
    const target = fresh();
    const source = exportSource('wemoe1');
    await exportModel(source, 'onnx', target, { engine });
    const before = await contents(target);
    await expect(exportModel(source, 'safetensors', target, { engine })).rejects.toMatchObject({
      code: 'file.folder_exists',
    });
    expect(await contents(target)).toEqual(before);
    await exportModel(source, 'safetensors', target, { engine, overwrite: true });
    expect((await contents(target)).has('model.onnx')).toBe(false);
  });

  test('a value that is not a number is never exported', async () => {
    const source = exportSource('wemoe1');
    source.values.get('routers.1.fc2.weight')!.data[0] = NaN;
    for (const format of ['safetensors', 'onnx'] as const) {
      await expect(exportModel(source, format, fresh(), { engine })).rejects.toThrow(AppError);
    }
  });
});
