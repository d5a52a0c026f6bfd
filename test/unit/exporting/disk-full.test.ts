import type * as FileSystem from 'node:fs/promises';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { exportModel } from '../../../main/exporting/export.ts';
import { exportSource, temporaryFolder } from './fixture.ts';

const disk = vi.hoisted(() => ({ free: undefined as number | undefined }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FileSystem>();
  const statfs = async (...given: Parameters<typeof real.statfs>) => {
    const found = await real.statfs(...given);
    if (disk.free === undefined) return found;
    return { ...found, blocks: 1e6, bsize: 1, bavail: disk.free };
  };
  return { ...real, statfs };
});

const folder = temporaryFolder();

afterEach(() => {
  disk.free = undefined;
});

test.each(['safetensors', 'onnx'] as const)(
  '%s: a full disk is one clear error and leaves nothing',
  async (format) => {
    const target = path.join(folder(), format);
    disk.free = 1000;
    const engine = createReferenceEngine();
    const failing = exportModel(exportSource('wemoe1'), format, target, { engine });
    await expect(failing).rejects.toMatchObject({
      code: 'file.disk_full',
      where: expect.stringContaining(target) as string,
      what: expect.stringMatching(/needs \d+ bytes, but only 1000 are free/) as string,
    });
    expect(await readdir(folder())).toEqual([]);
  },
);
