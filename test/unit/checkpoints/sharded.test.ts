/** Sharded models: what the index may say, and that the shards agree with it (S58). */
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkpointFingerprint } from '../../../main/checkpoints/fingerprint.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { parseShardIndex } from '../../../main/checkpoints/shard-index.ts';
import { archive, int, stateDict, tensor, tuple } from './pytorch-files.ts';
import {
  appErrorOf,
  entry,
  file,
  fp32,
  save,
  useFolder,
  PATIENCE,
  processorMs,
} from './support.ts';

const root = useFolder();
let folder = '';
let count = 0;

const ONE = 'model-00001-of-00002.safetensors';
const TWO = 'model-00002-of-00002.safetensors';
const INDEX = 'model.safetensors.index.json';

const shardOf = (name: string, value: number, metadata = ''): Uint8Array =>
  file(`{${metadata}${entry(name, '[0,4]')}}`, fp32(value));

beforeEach(async () => {
  folder = join(root(), String(count++), 'model');
  await mkdir(folder, { recursive: true });
  await save(join(folder, ONE), shardOf('a', 1, '"__metadata__":{"format":"pt","who":"1"},'));
  await save(join(folder, TWO), shardOf('b', 2, '"__metadata__":{"who":"2","two":"2"},'));
});

async function writeIndex(index: unknown): Promise<void> {
  const text = typeof index === 'string' ? index : JSON.stringify(index);
  await writeFile(join(folder, INDEX), text);
}

async function errorWith(index: unknown) {
  await writeIndex(index);
  return appErrorOf(openCheckpoint(folder));
}

const sound = { metadata: { total_size: 8, extra: [{ a: '"}' }] }, weight_map: { b: TWO, a: ONE } };

describe('a sharded model', () => {
  it('opens from its folder and from its index', async () => {
    await writeIndex(sound);
    for (const path of [folder, join(folder, INDEX)]) {
      const checkpoint = await openCheckpoint(path);
      expect(checkpoint.path).toBe(path);
      expect([...checkpoint.tensors.keys()]).toEqual(['b', 'a']);
      expect((await checkpoint.read('a')).data[0]).toBe(1);
      expect((await checkpoint.read('b')).data[0]).toBe(2);
      expect(Object.fromEntries(checkpoint.metadata)).toEqual({ format: 'pt', who: '2', two: '2' });
      expect(checkpoint.warnings).toEqual([]);
      expect((await appErrorOf(checkpoint.read('c'))).code).toBe('checkpoint.tensor_missing');
      await checkpoint.close();
      await expect(checkpoint.read('a')).rejects.toThrow('is closed');
    }
  });

  it('has the fingerprint of the same weights in one file', async () => {
    await writeIndex(sound);
    const whole = file(`{${entry('b', '[0,4]')},${entry('a', '[4,8]')}}`, fp32(2, 1));
    const single = await openCheckpoint(await save(join(folder, 'whole.safetensors'), whole));
    const sharded = await openCheckpoint(folder);
    expect(await checkpointFingerprint(sharded)).toBe(await checkpointFingerprint(single));
  });

  it('warns of tensors the index leaves out, and of a wrong total', async () => {
    await save(join(folder, TWO), file(`{${entry('b', '[0,4]')},${entry('x', '[4,8]')}}`, 8));
    await writeIndex({ ...sound, metadata: { total_size: 9 } });
    const checkpoint = await openCheckpoint(folder);
    expect([...checkpoint.tensors.keys()]).toEqual(['b', 'a']);
    expect(checkpoint.warnings).toHaveLength(2);
    expect(checkpoint.warnings[0]).toContain('"x"');
    expect(checkpoint.warnings[1]).toContain('9 bytes');
  });

  it('may be of PyTorch files, whose warnings are passed on', async () => {
    const model = join(root(), String(count++));
    await mkdir(model);
    await save(join(model, 'm-1.bin'), archive(stateDict(['a', tensor()])));
    const view = tensor({ stride: tuple(int(1), int(2)) });
    await save(join(model, 'm-2.bin'), archive(stateDict(['b', view])));
    const path = join(model, 'pytorch_model.bin.index.json');
    await writeFile(path, JSON.stringify({ weight_map: { a: 'm-1.bin', b: 'm-2.bin' } }));
    const checkpoint = await openCheckpoint(model);
    expect([...(await checkpoint.read('b')).data]).toEqual([1, 3, 2, 4]);
    expect(checkpoint.warnings[0]).toMatch(/^m-2\.bin: 1 tensor is a view/);
    expect(checkpoint.warnings[1]).toBe('Read from pytorch_model.bin.index.json.');
    expect(checkpoint.source).toMatchObject({ format: 'PyTorch', shared: [] });
    await checkpoint.verify('a');
    expect(checkpoint.locate('a')?.file).toBe(join(model, 'm-1.bin'));
    await writeFile(path, JSON.stringify({ weight_map: { a: 'm-1.safetensors' } }));
    expect((await appErrorOf(openCheckpoint(model))).code).toBe('checkpoint.index_path');
  });

  it('may be a folder of links into the blobs of its repository', async () => {
    const repository = join(root(), String(count++));
    const snapshot = join(repository, 'snapshots', 'abc');
    await mkdir(snapshot, { recursive: true });
    await mkdir(join(repository, 'blobs'));
    await save(join(repository, 'blobs', 'one'), shardOf('a', 1));
    await symlink('../../blobs/one', join(snapshot, 'a.safetensors'));
    await writeFile(join(snapshot, INDEX), JSON.stringify({ weight_map: { a: 'a.safetensors' } }));
    expect((await (await openCheckpoint(snapshot)).read('a')).data[0]).toBe(1);
  });
});

describe('S58 a shard name that is no plain file name is refused', () => {
  const bad = [
    '../model.safetensors',
    '..',
    '..safetensors',
    '/etc/x.safetensors',
    'a/b.safetensors',
    'a\\b.safetensors',
    '..\\b.safetensors',
    'C:\\x.safetensors',
    'C:x.safetensors',
    '\\\\host\\share\\x.safetensors',
    'https://host/x.safetensors',
    'file:x.safetensors',
    'a\0.safetensors',
    'a\u202e.safetensors',
    'CON.safetensors',
    'lpt1.safetensors',
    'model.bin',
    'model.safetensors.',
    '.safetensors ',
    '.safetensors',
    '',
    `${'n'.repeat(250)}.safetensors`,
  ];
  it.each(bad)('%j', async (shard) => {
    const error = await errorWith({ weight_map: { a: shard } });
    expect(error.code).toBe('checkpoint.index_path');
    expect(error.where).toContain('tensor "a" of ');
    expect(error.where).toContain(INDEX);
    expect(error.message).not.toMatch(/\p{C}/u);
  });

  it('a link out of the folder, also to a sibling with the same beginning', async () => {
    await mkdir(`${folder}-evil`);
    await save(join(`${folder}-evil`, 'x.safetensors'), shardOf('a', 9));
    await symlink(`${folder}-evil/x.safetensors`, join(folder, 'link.safetensors'));
    const error = await errorWith({ weight_map: { a: 'link.safetensors' } });
    expect(error.code).toBe('checkpoint.index_path');
  });
});

describe('S58 an index of the wrong form is refused', () => {
  const bad: readonly (readonly [title: string, code: string, text: string])[] = [
    ['empty', 'index_invalid', ''],
    ['not JSON', 'index_invalid', '{"weight_map":{"a":"x.safetensors"}'],
    ['a trailing comma', 'index_invalid', '{"weight_map":{},}'],
    ['two values', 'index_invalid', '{"weight_map":{}}{}'],
    ['a list', 'index_invalid', '[]'],
    ['no weight_map', 'index_invalid', '{"metadata":{}}'],
    ['weight_map a list', 'index_invalid', '{"weight_map":[]}'],
    ['unbalanced metadata', 'index_invalid', '{"metadata":{"a":[[[1]]'],
    ['shard a number', 'index_invalid', '{"weight_map":{"a":1}}'],
    ['shard null', 'index_invalid', '{"weight_map":{"a":null}}'],
    ['shard a list', 'index_invalid', '{"weight_map":{"a":["x.safetensors"]}}'],
    ['a tensor twice', 'duplicate_tensor', `{"weight_map":{"a":"${ONE}","\\u0061":"${TWO}"}}`],
    ['weight_map twice', 'duplicate_key', '{"weight_map":{},"weight_map":{}}'],
    ['an unsafe tensor name', 'name_invalid', `{"weight_map":{"__proto__":"${ONE}"}}`],
  ];
  it.each(bad)('%s → checkpoint.%s', async (_title, code, text) => {
    const error = await errorWith(text);
    expect(error.code).toBe(`checkpoint.${code}`);
    expect(error.where).toContain(INDEX);
  });

  it('not UTF-8', async () => {
    await writeFile(join(folder, INDEX), Buffer.from([0x7b, 0xff, 0x7d]));
    expect((await appErrorOf(openCheckpoint(folder))).code).toBe('checkpoint.index_invalid');
  });

  it('more than 10,000 shards', () => {
    const map = (shards: number): Buffer => {
      const names = Array.from({ length: shards }, (_, i) => `"t${i}":"${i}.safetensors"`);
      return Buffer.from(`{"weight_map":{${names.join(',')}}}`);
    };
    expect(parseShardIndex(map(10_000), 'i').shards).toHaveLength(10_000);
    expect(() => parseShardIndex(map(10_001), 'i')).toThrow(
      expect.objectContaining({ code: 'checkpoint.index_too_many' }),
    );
  });

  it('a million entries are read within the bound for time', PATIENCE, () => {
    const names = Array.from({ length: 1_000_000 }, (_, i) => `"layers.${i}.weight":"${ONE}"`);
    const bytes = Buffer.from(`{"metadata":{"total_size":4},"weight_map":{${names.join(',')}}}`);
    const before = processorMs();
    expect(parseShardIndex(bytes, 'i').shardOf.size).toBe(1_000_000);
    expect(processorMs() - before).toBeLessThan(8000);
  });

  it('nesting of a million levels in the part that is skipped does not overflow', () => {
    const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
    const index = parseShardIndex(Buffer.from(`{"x":${deep},"weight_map":{}}`), 'i');
    expect(index.shards).toEqual([]);
  });
});

describe('S58 shards that disagree with the index are refused', () => {
  it('a missing shard', async () => {
    await rm(join(folder, TWO));
    const error = await errorWith(sound);
    expect(error.code).toBe('checkpoint.index_shard_missing');
    expect(error.what).toContain(TWO);
  });

  it('a shard without the tensor', async () => {
    const error = await errorWith({ weight_map: { a: ONE, b: ONE } });
    expect(error.code).toBe('checkpoint.index_mismatch');
    expect(error.where).toContain('tensor "b"');
  });

  it('a tensor in two shards', async () => {
    await save(join(folder, TWO), file(`{${entry('a', '[0,4]')},${entry('b', '[4,8]')}}`, 8));
    const error = await errorWith(sound);
    expect(error.code).toBe('checkpoint.index_mismatch');
    expect(error.where).toContain('tensor "a"');
  });

  it('a damaged shard, named', async () => {
    await save(join(folder, TWO), shardOf('b', 2).subarray(0, -1));
    const error = await errorWith(sound);
    expect(error.code).toBe('checkpoint.truncated');
    expect(error.where).toContain(TWO);
  });
});
