/**
 * Runs one write in a process of its own, so that tests can fill its disk, fail its system calls or
 * kill it. Usage: durable-child.ts MODE FOLDER; prints what happened as one line of JSON.
 */
import { readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '../../../main/checkpoints/writer.ts';
import {
  appendLine,
  replaceFileDurably,
  replaceFolderDurably,
  writeFileDurably,
} from '../../../main/lib/durable.ts';

const [, , mode = '', folder = '.'] = process.argv;
const target = join(folder, 'target');

/** Leaves room for `bytes` on the disk of `folder`. */
function fillExcept(bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(join(folder, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - bytes), 1));
}

const modes: Readonly<Record<string, () => Promise<unknown>>> = {
  write: () => writeFileDurably(target, 'new'),
  // Refused before anything is written.
  early: () => writeFileDurably(target, new Uint8Array(2 * 1024 ** 2)),
  // The space vanishes while the file is being written: first a short write, then none at all.
  late: () =>
    replaceFileDurably(target, async (file) => {
      await file.write(new Uint8Array(10_000));
      fillExcept(100_000);
      await file.write(new Uint8Array(300_000));
    }),
  safetensors: () => {
    const data = (): Promise<Float32Array> => {
      fillExcept(100_000);
      return Promise.resolve(new Float32Array(75_000));
    };
    return writeSafetensors(target, [{ name: 'w', dtype: 'F32', shape: [75_000], data }]);
  },
  line: async () => {
    await appendLine(target, '{"n":1}');
    fillExcept(0);
    await appendLine(target, JSON.stringify({ n: 'x'.repeat(50_000) }));
  },
  append: () => appendLine(join(folder, 'log'), '{"n":1}'),
  folder: () =>
    replaceFolderDurably(join(folder, 'export'), (temporary) => {
      fillExcept(100_000);
      return writeFileDurably(join(temporary, 'model'), new Uint8Array(300_000));
    }),
  overwrite: () =>
    replaceFolderDurably(
      join(folder, 'export'),
      (temporary) => writeFileDurably(join(temporary, 'model'), 'new'),
      { overwrite: true },
    ),
  endless: () =>
    replaceFileDurably(target, async (file) => {
      for (;;) {
        await file.write(new Uint8Array(4096));
        process.stdout.write('.');
      }
    }),
};

let code = 'done';
let message = '';
try {
  await modes[mode]!();
} catch (error) {
  code = String((error as { code?: unknown }).code);
  message = (error as Error).message;
}
const names = readdirSync(folder).sort();
const content = names.includes('target') ? readFileSync(target, 'utf8').slice(0, 20) : '';
process.stdout.write(`${JSON.stringify({ code, message, names, content })}\n`);
