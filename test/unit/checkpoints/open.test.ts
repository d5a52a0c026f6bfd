/** What a person may point at: files, folders, and things that are neither (S56, S57). */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { WeightFile } from '../../../main/checkpoints/weight-file.ts';
import {
  appErrorOf,
  entry,
  file,
  FILE_CLOCK_MS,
  fp32,
  save,
  skipBecause,
  useFolder,
} from './support.ts';

const root = useFolder();
let folder = '';
let count = 0;

beforeEach(async () => {
  folder = join(root(), String(count++));
  await mkdir(folder);
});

const weights = (value: number): Uint8Array => file(`{${entry('w', '[0,4]')}}`, fp32(value));

async function codeOf(path: string): Promise<string> {
  const error = await appErrorOf(openCheckpoint(path));
  expect(error.hint).not.toBe('');
  return error.code;
}

describe('S56 things that are no weight file', () => {
  it('nothing at the path', async () => {
    expect(await codeOf(join(folder, 'nothing.safetensors'))).toBe('checkpoint.not_found');
    expect(await codeOf(join(folder, 'no', 'where'))).toBe('checkpoint.not_found');
    expect(await codeOf(join(folder, 'n'.repeat(300)))).toBe('checkpoint.not_found');
    expect(await codeOf(`${folder}/a\0b`)).toBe('checkpoint.not_found');
  });

  it('a dangling link, and a link to itself', async () => {
    await symlink('gone', join(folder, 'link'));
    await symlink('loop', join(folder, 'loop'));
    const error = await appErrorOf(openCheckpoint(join(folder, 'link')));
    expect(error.code).toBe('checkpoint.not_found');
    expect(error.what).toContain('link points to nothing');
    expect(await codeOf(join(folder, 'loop'))).toBe('checkpoint.not_found');
  });

  it('a folder where model.safetensors should be a file', async () => {
    await mkdir(join(folder, 'model.safetensors'));
    expect(await codeOf(folder)).toBe('checkpoint.not_a_file');
  });

  it('a pipe, without waiting for its other end', async () => {
    const pipe = join(folder, 'pipe.safetensors');
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe]);
    expect(await codeOf(pipe)).toBe('checkpoint.not_a_file');
  });

  it('a socket', async () => {
    const path = join(folder, 'socket');
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    expect(await codeOf(path)).toBe('checkpoint.not_a_file');
    server.close();
  });

  it('a device', async () => {
    const error = await appErrorOf(openCheckpoint('/dev/zero'));
    expect(error.code).toBe('checkpoint.not_a_file');
    expect(error.what).toContain('a device');
  });

  it('a file without permission', async (context) => {
    const path = await save(join(folder, 'model.safetensors'), weights(1));
    await chmod(root(), 0o755);
    await chmod(path, 0o000);
    const isRoot = process.geteuid?.() === 0;
    if (process.platform === 'win32') skipBecause(context, 'permissions work otherwise here');
    if (isRoot) process.seteuid?.(65534);
    try {
      expect(await codeOf(path)).toBe('checkpoint.no_permission');
      expect(await codeOf(folder)).toBe('checkpoint.no_permission');
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });
});

describe('S57 a file that changes while it is open', () => {
  const path = (): string => join(folder, 'model.safetensors');

  async function readAfter(change: () => Promise<void>): Promise<string> {
    await save(path(), weights(1));
    const checkpoint = await openCheckpoint(path());
    expect((await checkpoint.read('w')).data[0]).toBe(1);
    await delay(FILE_CLOCK_MS);
    await change();
    return (await appErrorOf(checkpoint.read('w'))).code;
  }

  it('cut short', async () => {
    expect(await readAfter(() => truncate(path(), 12))).toBe('checkpoint.changed');
  });

  it('overwritten in place with the same length', async () => {
    expect(await readAfter(() => writeFile(path(), weights(2)))).toBe('checkpoint.changed');
  });

  it('replaced by another file', async () => {
    const replace = async (): Promise<void> => {
      await save(join(folder, 'new'), weights(2));
      await rename(join(folder, 'new'), path());
    };
    expect(await readAfter(replace)).toBe('checkpoint.changed');
  });

  it('removed', async () => {
    expect(await readAfter(() => rm(path()))).toBe('checkpoint.not_found');
  });

  it('cut short between two pieces of one tensor', async () => {
    const bytes = 17 * 1024 ** 2;
    const header = `{${entry('w', `[0,${bytes}]`, `[${bytes}]`, '"U8"')}}`;
    const checkpoint = await openCheckpoint(await save(path(), file(header, bytes)));
    const pieces = checkpoint.chunks('w')[Symbol.asyncIterator]();
    expect((await pieces.next()).value).toHaveLength(16 * 1024 ** 2);
    await truncate(path(), bytes);
    expect((await appErrorOf(pieces.next())).code).toBe('checkpoint.changed');
  });
});

describe('a model folder', () => {
  it('gives the weights with the parsed config.json', async () => {
    await save(join(folder, 'model.safetensors'), weights(3));
    await writeFile(join(folder, 'config.json'), '{"model_type":"clip"}');
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.path).toBe(folder);
    expect(checkpoint.config).toEqual({ model_type: 'clip' });
    expect((await checkpoint.read('w')).data[0]).toBe(3);
    const single = await openCheckpoint(join(folder, 'model.safetensors'));
    expect(single.config).toEqual({ model_type: 'clip' });
  });

  it('needs no config.json', async () => {
    await save(join(folder, 'model.safetensors'), weights(3));
    expect((await openCheckpoint(folder)).config).toBeUndefined();
  });

  it.each(['{', '', '{"a":1}}'])('with the broken config.json %j is refused', async (text) => {
    await save(join(folder, 'model.safetensors'), weights(3));
    await writeFile(join(folder, 'config.json'), text);
    expect(await codeOf(folder)).toBe('checkpoint.config_unreadable');
  });

  it('without weights says what it holds instead', async () => {
    expect((await appErrorOf(openCheckpoint(folder))).message).toContain('it is empty');
    await writeFile(join(folder, 'optimizer.bin'), '');
    await writeFile(join(folder, 'evil\u202e\n.txt'), '');
    for (let i = 0; i < 30; i++) await writeFile(join(folder, `z${i}`), '');
    const error = await appErrorOf(openCheckpoint(folder));
    expect(error.code).toBe('checkpoint.no_weights');
    expect(error.what).toContain('optimizer.bin');
    expect(error.what).toContain('and 12 more');
    expect(error.message).not.toMatch(/[\p{C}]/u);
  });

  it.each([
    ['diffusion_pytorch_model.safetensors', ['Read from diffusion_pytorch_model.safetensors.']],
    [
      'fine-tuned.safetensors',
      ['Read from fine-tuned.safetensors, the only weight file in the folder.'],
    ],
    [
      'adapter_model.safetensors',
      [
        'Read from adapter_model.safetensors.',
        'This is an adapter: it holds changes to a base model, not a model.',
      ],
    ],
  ])('with %s says what it read', async (name, notes) => {
    await save(join(folder, name), weights(4));
    await writeFile(join(folder, 'optimizer.pt'), '');
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.warnings).toEqual(notes);
    expect(checkpoint.path).toBe(folder);
    expect((await checkpoint.read('w')).data[0]).toBe(4);
  });

  it('with several weight files of other names asks which one', async () => {
    await save(join(folder, 'a.safetensors'), weights(1));
    await save(join(folder, 'b.safetensors'), weights(1));
    const error = await appErrorOf(openCheckpoint(folder));
    expect(error.code).toBe('checkpoint.no_weights');
    expect(error.hint).toContain('a.safetensors');
  });
});

describe('where a tensor lies', () => {
  const path = (): string => join(folder, 'a.safetensors');

  it('is the range another thread can read on its own', async () => {
    const checkpoint = await openCheckpoint(await save(path(), weights(7)));
    const place = structuredClone(checkpoint.locate('w'))!;
    expect(place).toMatchObject({ file: path(), dtype: 'F32' });
    expect((await readFile(path())).subarray(place.begin, place.end)).toEqual(Buffer.from(fp32(7)));
    const bytes = new Uint8Array(4);
    await new WeightFile(place.file, place.identity).readInto(bytes, place.begin);
    expect(bytes).toEqual(fp32(7));
  });

  it('is refused once the file is another', async () => {
    const checkpoint = await openCheckpoint(await save(path(), weights(7)));
    const place = checkpoint.locate('w')!;
    await delay(FILE_CLOCK_MS);
    await save(path(), weights(8));
    const read = new WeightFile(place.file, place.identity).readInto(
      new Uint8Array(4),
      place.begin,
    );
    expect((await appErrorOf(read)).code).toBe('checkpoint.changed');
  });
});

describe('asking for a tensor', () => {
  it('that is not there is an error with its name', async () => {
    const checkpoint = await openCheckpoint(await save(join(folder, 'a.safetensors'), weights(1)));
    for (const name of ['x', 'constructor', '__proto__', '']) {
      expect((await appErrorOf(checkpoint.read(name))).code).toBe('checkpoint.tensor_missing');
    }
  });

  it('after closing is a bug of the caller', async () => {
    const checkpoint = await openCheckpoint(await save(join(folder, 'a.safetensors'), weights(1)));
    await checkpoint.close();
    await expect(checkpoint.read('w')).rejects.toThrow('is closed');
  });
});
