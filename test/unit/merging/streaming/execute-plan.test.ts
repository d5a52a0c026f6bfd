import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StoredCheckpoint } from '../../../../main/checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../../../main/checkpoints/open.ts';
import { writeSafetensors } from '../../../../main/checkpoints/writer.ts';
import { elementCount } from '../../../../main/lib/tensor.ts';
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

it.each(methods.filter(({ combination }) => combination !== undefined).map(({ id }) => id))(
  '%s of bf16 checkpoints: the shortcut for weighted sums gives the bytes of the method',
  async (id) => {
    const halves = await storeModels(join(folder, `bf16-${id}`), oddShapes, [
      'BF16',
      'BF16',
      'BF16',
    ]);
    const plan = planOf(halves, methodNamed(id));
    const merged = await execute(plan, { threads: 2, ceilingBytes: 330 * MIB });
    for (const [name, expected] of await mergedInMemory(plan)) {
      const { data } = await merged.read(name);
      expect([...data], name).toEqual([...expected].map(nearestBf16));
    }
  },
);

describe('tensors that are not merged', () => {
  it('copies stored bytes and converts values, beside merged ones', async () => {
    const plan = planOf(models, methodNamed('linear'));
    const [embed, attention, ...others] = plan.tensors;
    const from = (checkpoint: number, tensor: string) => ({ checkpoint, tensor });
    const copied = { kind: 'copy' as const, name: 'kept', from: from(3, embed!.name) };
    const cast = {
      kind: 'cast' as const,
      name: 'converted',
      shape: oddShapes['layers.0.attention.weight']!,
      dtype: 'BF16' as const,
      from: from(2, attention!.name),
    };
    const merged = await execute({ ...plan, tensors: [copied, cast, ...others] });
    expect(merged.tensors.get('kept')).toMatchObject({ dtype: 'F16', shape: [301, 48] });
    expect(await merged.read('kept')).toEqual(await models[3]!.read(embed!.name));
    const { data } = await models[2]!.read(attention!.name);
    expect([...(await merged.read('converted')).data]).toEqual([...data].map(nearestBf16));
  });

  it('computes tensors that lie in no file once, and leaves nothing of them', async () => {
    const computed = (model: StoredCheckpoint): StoredCheckpoint => ({
      ...model,
      tensors: model.tensors,
      path: model.path,
      source: model.source,
      chunks: (name) => model.chunks(name),
      read: (name) => model.read(name),
      verify: (name) => model.verify(name),
      locate: () => undefined,
      close: () => model.close(),
    });
    const direct = planOf(models, methodNamed('ties'));
    const indirect = { ...direct, checkpoints: models.map(computed) };
    const merged = await execute(indirect, { threads: 2 });
    expect(await storedBytes(merged)).toEqual(await storedBytes(await execute(direct)));
    expect(await readdir(merged.path)).not.toContain('scratch');
  });
});

describe('what is beside the weights', () => {
  it('says where the model comes from, and the same again for the same plan', async () => {
    const plan: MergePlan = {
      ...planOf(models, methodNamed('task_arithmetic')),
      companions: [
        { kind: 'text', name: 'config.json', text: '{"model_type":"odd"}' },
        { kind: 'copy', name: 'original/file', from: join(models[0]!.path, 'model.safetensors') },
      ],
    };
    const merged = await execute(plan, { shardBytes: 20_000 });
    const again = await execute(plan, { shardBytes: 20_000, threads: 1 });
    const names = await readdir(merged.path);
    expect(names.sort()).toEqual([
      '.mergewright.json',
      'README.md',
      'config.json',
      'mergewright.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
      'original',
      'recipe.yaml',
    ]);
    for (const name of names.filter((each) => each !== 'original')) {
      const [one, other] = [join(merged.path, name), join(again.path, name)];
      expect((await readFile(one)).equals(await readFile(other)), name).toBe(true);
    }
    expect(merged.config).toEqual({ model_type: 'odd' });
    expect(await readFile(join(merged.path, 'recipe.yaml'), 'utf8')).toBe(plan.recipe);
    const weights = join(models[1]!.path, 'model.safetensors');
    const sha256 = createHash('sha256')
      .update(await readFile(weights))
      .digest('hex');
    expect(merged.metadata.get('format')).toBe('pt');
    expect(merged.metadata.get('seed')).toBe('7');
    for (const text of [
      merged.metadata.get('parents'),
      await readFile(join(merged.path, 'README.md'), 'utf8'),
      await readFile(join(merged.path, 'mergewright.json'), 'utf8'),
    ]) {
      expect(text).toContain(sha256);
    }
    const report = JSON.parse(await readFile(join(merged.path, 'mergewright.json'), 'utf8')) as {
      files: { name: string; sha256: string }[];
    };
    for (const file of report.files) {
      const bytes = await readFile(join(merged.path, file.name));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(file.sha256);
    }
  });

  it('hashes a parent again only when it was changed', async () => {
    const cache = join(folder, 'remembered.jsonl');
    const plan = planOf(models, methodNamed('linear'));
    await execute(plan, { hashCache: cache });
    const lines = await readFile(cache, 'utf8');
    expect(lines.match(/model\.safetensors/g)).toHaveLength(models.length);
    await execute(plan, { hashCache: cache });
    expect(await readFile(cache, 'utf8')).toBe(lines);
  });
});

describe('what goes wrong', () => {
  /** Expects the failure, and that neither the target nor anything beside it is there. */
  async function fails(plan: MergePlan, options: ExecuteOptions, failure: object): Promise<void> {
    const parent = join(folder, `failing-${count++}`);
    await mkdir(parent);
    const target = join(parent, 'merged');
    await expect(executePlan(plan, target, { hashCache, ...options })).rejects.toMatchObject(
      failure,
    );
    expect(await readdir(parent)).toEqual([]);
  }

  it('a ceiling too low for a method of whole tensors: says how much it needs, reads nothing', async () => {
    const closed = await storeModels(join(folder, 'closed'), { big: [4096, 4096] }, ['F32', 'F32']);
    const plan = planOf(closed, methodNamed('iso_c'));
    await rm(join(folder, 'closed'), { recursive: true });
    await fails(
      plan,
      { ceilingBytes: 300 * MIB },
      {
        code: 'merge.memory_ceiling',
        where: 'tensor "big"',
        what: expect.stringMatching(/needs \d+ MiB of memory, 300 MiB are allowed/) as string,
      },
    );
  });

  it.each(['F32', 'BF16', 'F16'] as const)(
    'NaN in a %s expert: names model and tensor',
    async (dtype) => {
      const path = join(folder, `nan-${dtype}`);
      await mkdir(path);
      const tensors = Object.entries(oddShapes).map(([name, shape]) => {
        const data = new Float32Array(elementCount(shape));
        if (name === 'layers.0.bias') data[46] = NaN;
        return { name, dtype, shape, data };
      });
      const file = join(path, 'model.safetensors');
      await writeSafetensors(file, tensors, undefined, { allowNonFinite: true });
      const bad = await openCheckpoint(path);
      await fails(
        planOf([models[0]!, models[1]!, bad], methodNamed('linear')),
        {},
        {
          code: 'merge.non_finite',
          what: expect.stringContaining('the first at index 46') as string,
          where: `tensor "layers.0.bias" of ${path}`,
        },
      );
    },
  );

  it('values too large for the type to be written', async () => {
    const plan = planOf(models, methodNamed('task_arithmetic'), {}, 'F16');
    const settings = { ...plan.settings, parameters: { ...plan.settings.parameters, lambda: 1e9 } };
    const tensors = plan.tensors.map((tensor) => ({ ...tensor, settings }));
    await fails({ ...plan, tensors }, {}, { code: 'checkpoint.value_overflow' });
  });

  it('a checkpoint that changed since it was opened', async () => {
    const path = join(folder, 'changing');
    const [base, expert] = await storeModels(path, oddShapes, ['F32', 'F32']);
    const plan = planOf([base!, expert!], methodNamed('linear'));
    await appendFile(join(expert!.path, 'model.safetensors'), 'x');
    await fails(plan, {}, { code: 'checkpoint.changed' });
  });

  it('cancelled: at once, and nothing is left', async () => {
    const control = new AbortController();
    const plan = planOf(models, methodNamed('ties'));
    let cancelled = 0;
    const onProgress = () => {
      cancelled ||= performance.now();
      control.abort();
    };
    await fails(plan, { signal: control.signal, onProgress }, { name: 'CancelledError' });
    expect(performance.now() - cancelled).toBeLessThan(2000);
  });

  it('cancelled with resume: the next merge goes on and gives the same bytes', async () => {
    const plan = planOf(models, methodNamed('ties'));
    const whole = await execute(plan);
    const target = join(folder, 'resumed');
    const control = new AbortController();
    const options = { hashCache, resume: true, threads: 1 };
    const onProgress = () => control.abort();
    const first = executePlan(plan, target, { ...options, signal: control.signal, onProgress });
    await expect(first).rejects.toMatchObject({ name: 'CancelledError' });
    expect(existsSync(target)).toBe(false);
    expect((await executePlan(plan, target, options)).resumed).toBe(true);
    expect(await storedBytes(await openCheckpoint(target))).toEqual(await storedBytes(whole));
    expect((await readdir(folder)).filter((name) => name.endsWith('.merge'))).toEqual([]);
  });

  it('another merge to the same place does not go on with what is left', async () => {
    const parent = join(folder, 'another');
    await mkdir(parent);
    const target = join(parent, 'merged');
    const control = new AbortController();
    const ties = planOf(models, methodNamed('ties'));
    const onProgress = () => control.abort();
    const options = { hashCache, resume: true };
    const first = executePlan(ties, target, { ...options, signal: control.signal, onProgress });
    await expect(first).rejects.toMatchObject({ name: 'CancelledError' });
    expect(await readdir(parent)).toHaveLength(1);
    const other = await executePlan(planOf(models, methodNamed('linear')), target, options);
    expect(other.resumed).toBe(false);
    expect(await readdir(parent)).toEqual(['merged']);
  });

  it('a damaged piece of an interrupted merge is made again', async () => {
    const parent = join(folder, 'damaged');
    await mkdir(parent);
    const target = join(parent, 'merged');
    const plan = planOf(models, methodNamed('linear'));
    const control = new AbortController();
    const options = { hashCache, resume: true, threads: 1 };
    const onProgress = () => control.abort();
    const first = executePlan(plan, target, { ...options, signal: control.signal, onProgress });
    await expect(first).rejects.toMatchObject({ name: 'CancelledError' });
    const [left] = await readdir(parent);
    const file = join(parent, left!, 'model.safetensors');
    const bytes = await readFile(file);
    await writeFile(file, bytes.fill(0x55, bytes.length / 2));
    expect((await executePlan(plan, target, options)).resumed).toBe(true);
    const wanted = await storedBytes(await execute(plan));
    expect(await storedBytes(await openCheckpoint(target))).toEqual(wanted);
  });
});
