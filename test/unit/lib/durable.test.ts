import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  appendLine,
  readJsonLines,
  replaceFileDurably,
  replaceFolderDurably,
  sweepStaleTemporaries,
  writeFileDurably,
} from '../../../main/lib/durable.ts';
import { AppError, CancelledError } from '../../../main/lib/errors.ts';
import { temporaryName } from '../../../main/lib/temporaries.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergewright-durable-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

const at = (...names: string[]): string => join(folder, ...names);
const text = (path: string): Promise<string> => readFile(path, 'utf8');

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'nothing was thrown',
    (thrown: unknown) => thrown,
  );
  return error instanceof AppError ? error.code : String(error);
}

/** The prototype all open files share, to make their calls fail. */
async function handlePrototype(): Promise<FileHandle> {
  const handle = await open(at('probe'), 'w');
  await handle.close();
  await rm(at('probe'));
  return Object.getPrototypeOf(handle) as FileHandle;
}

describe('writeFileDurably', () => {
  it('writes text and bytes, creates and replaces', async () => {
    await writeFileDurably(at('a'), 'é');
    expect(await text(at('a'))).toBe('é');
    await writeFileDurably(at('a'), new Uint8Array([1, 2]));
    expect([...(await readFile(at('a')))]).toEqual([1, 2]);
    await writeFileDurably(at('a'), '');
    expect((await stat(at('a'))).size).toBe(0);
    expect(await readdir(folder)).toEqual(['a']);
  });

  it('keeps the permissions of an existing file, and replaces what a link points to', async () => {
    await writeFile(at('real'), 'old');
    await chmod(at('real'), 0o640);
    await symlink('real', at('link'));
    await writeFileDurably(at('link'), 'new');
    expect((await lstat(at('link'))).isSymbolicLink()).toBe(true);
    expect(await text(at('real'))).toBe('new');
    expect((await stat(at('real'))).mode & 0o777).toBe(0o640);
  });

  it('refuses a folder in the way, and a missing folder', async () => {
    await mkdir(at('d'));
    expect(await codeOf(writeFileDurably(at('d'), 'x'))).toBe('file.write_failed');
    expect(await codeOf(writeFileDurably(at('no', 'a'), 'x'))).toBe('file.write_failed');
    expect(await codeOf(writeFileDurably('/dev/null', 'x'))).toBe('file.write_failed');
    expect(await readdir(folder)).toEqual(['d']);
  });

  it('writes nothing when cancelled', async () => {
    await writeFile(at('a'), 'old');
    const signal = AbortSignal.abort();
    await expect(writeFileDurably(at('a'), 'new', { signal })).rejects.toBeInstanceOf(
      CancelledError,
    );
    expect(await text(at('a'))).toBe('old');
  });

  it('goes on after short writes until all is written', async () => {
    const prototype = await handlePrototype();
    const write = prototype.write as (...args: unknown[]) => never;
    const spy = vi.spyOn(prototype, 'write').mockImplementation(function (
      this: FileHandle,
      ...args: unknown[]
    ) {
      const [bytes, offset, length] = args as [Uint8Array, number, number];
      return write.call(this, bytes, offset, Math.min(3, length));
    });
    await writeFileDurably(at('a'), 'abcdefgh');
    expect(spy).toHaveBeenCalledTimes(3);
    expect(await text(at('a'))).toBe('abcdefgh');
  });

  it('finds a device that stored something else', async () => {
    await writeFile(at('a'), 'old');
    const prototype = await handlePrototype();
    const write = prototype.write as (...args: unknown[]) => never;
    vi.spyOn(prototype, 'write').mockImplementation(function (
      this: FileHandle,
      ...args: unknown[]
    ) {
      const bytes = Uint8Array.from(args[0] as Uint8Array);
      bytes[0]! ^= 1;
      return write.call(this, bytes);
    });
    expect(await codeOf(writeFileDurably(at('a'), 'new'))).toBe('file.verify_failed');
    expect(await text(at('a'))).toBe('old');
    expect(await readdir(folder)).toEqual(['a']);
  });
});

describe('replaceFileDurably', () => {
  it('returns the size, the hash and what the producer returned', async () => {
    const replaced = await replaceFileDurably(at('a'), async (file) => {
      await file.write(Buffer.from('ab'));
      await file.write(Buffer.from('c'));
      return 7;
    });
    expect(replaced).toEqual({
      result: 7,
      byteLength: 3,
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
  });

  it('shows nothing before it is complete and verified', async () => {
    await writeFile(at('a'), 'old');
    const verify = async (temporary: string, result: number): Promise<void> => {
      expect(result).toBe(7);
      expect(await text(temporary)).toBe('new');
      expect(await text(at('a'))).toBe('old');
      throw new Error('refused');
    };
    const produce = async (file: { write(bytes: Uint8Array): Promise<void> }): Promise<number> => {
      await file.write(Buffer.from('new'));
      return 7;
    };
    await expect(replaceFileDurably(at('a'), produce, { verify })).rejects.toThrow('refused');
    expect(await text(at('a'))).toBe('old');
    expect(await readdir(folder)).toEqual(['a']);
  });
});

describe('replaceFolderDurably', () => {
  const build = (content: string) => async (temporary: string) => {
    await mkdir(join(temporary, 'sub'));
    await writeFile(join(temporary, 'sub', 'b'), content);
    await writeFile(join(temporary, 'a'), content);
  };
  const target = (): string => at('export');

  it('makes a folder, also over an empty one', async () => {
    await replaceFolderDurably(target(), build('1'));
    expect(await text(join(target(), 'sub', 'b'))).toBe('1');
    await mkdir(at('empty'));
    await replaceFolderDurably(at('empty'), build('2'));
    expect(await text(at('empty', 'a'))).toBe('2');
    expect((await readdir(folder)).sort()).toEqual(['empty', 'export']);
  });

  it('replaces its own folder only when asked to', async () => {
    await replaceFolderDurably(target(), build('1'));
    expect(await codeOf(replaceFolderDurably(target(), build('2')))).toBe('file.folder_exists');
    expect(await text(join(target(), 'a'))).toBe('1');
    await replaceFolderDurably(target(), build('2'), { overwrite: true });
    await replaceFolderDurably(target(), build('3'), { overwrite: true });
    expect(await text(join(target(), 'a'))).toBe('3');
    expect(await readdir(folder)).toEqual(['export']);
  });

  it('never replaces files of another origin', async () => {
    const attempt = () => codeOf(replaceFolderDurably(target(), build('2'), { overwrite: true }));
    await writeFile(target(), 'a file');
    expect(await attempt()).toBe('file.folder_not_ours');
    await rm(target());
    await mkdir(join(target(), 'sub'), { recursive: true });
    expect(await attempt()).toBe('file.folder_not_ours');
    await writeFile(join(target(), '.mergewright.json'), '{"files":');
    expect(await attempt()).toBe('file.folder_not_ours');
    await rm(target(), { recursive: true });
    await replaceFolderDurably(target(), build('1'));
    await writeFile(join(target(), 'sub', 'notes.txt'), 'mine');
    expect(await attempt()).toBe('file.folder_not_ours');
    expect(await text(join(target(), 'sub', 'notes.txt'))).toBe('mine');
    expect(await readdir(folder)).toEqual(['export']);
  });

  it('leaves nothing when building fails or is cancelled', async () => {
    const failing = async (temporary: string): Promise<void> => {
      await build('2')(temporary);
      throw new Error('build failed');
    };
    await expect(replaceFolderDurably(target(), failing)).rejects.toThrow('build failed');
    const controller = new AbortController();
    const cancelling = async (temporary: string): Promise<void> => {
      await build('2')(temporary);
      controller.abort();
    };
    const { signal } = controller;
    const work = replaceFolderDurably(target(), cancelling, { signal });
    await expect(work).rejects.toBeInstanceOf(CancelledError);
    expect(await readdir(folder)).toEqual([]);
  });

  it('notices what was put into the target while it was building', async () => {
    const slow = async (temporary: string): Promise<void> => {
      await build('2')(temporary);
      await mkdir(target());
      await writeFile(join(target(), 'mine'), '');
    };
    expect(await codeOf(replaceFolderDurably(target(), slow))).toBe('file.folder_not_ours');
    expect(await readdir(folder)).toEqual(['export']);
  });
});

describe('JSON lines', () => {
  const log = (): string => at('events.jsonl');

  it('keep the order of the appends, also when they are not waited for', async () => {
    const lines = Array.from({ length: 20 }, (_, n) => ({ n }));
    await Promise.all(lines.map((line) => appendLine(log(), JSON.stringify(line))));
    expect(await readJsonLines(log())).toEqual(lines);
  });

  it.each([
    '{"n":',
    '{"n":2}x',
    '\0\0\0\0',
    '{"n":2}{',
    '{"n":"longer than the next',
    '{"s":"\xff\n',
  ])('a torn last line %j is left out, and gone after the next append', async (torn) => {
    await writeFile(log(), `{"n":1}\n${torn}`, 'latin1');
    if (!torn.includes('\n')) expect(await readJsonLines(log())).toEqual([{ n: 1 }]);
    await appendLine(log(), '{"n":3}');
    expect(await text(log())).toBe('{"n":1}\n{"n":3}\n');
  });

  it('a last line that lacks only its newline is kept', async () => {
    await writeFile(log(), '{"n":1}\n{"n":2}');
    expect(await readJsonLines(log())).toEqual([{ n: 1 }, { n: 2 }]);
    await appendLine(log(), '{"n":3}');
    expect(await text(log())).toBe('{"n":1}\n{"n":2}\n{"n":3}\n');
  });

  it('a file cut at any byte gives the whole lines before the cut', async () => {
    const whole = '{"n":10}\n{"n":"é"}\n[1,2]\n';
    const bytes = Buffer.from(whole);
    for (let length = 0; length <= bytes.length; length++) {
      await writeFile(log(), bytes.subarray(0, length));
      const read = await readJsonLines(log());
      expect(read).toEqual([{ n: 10 }, { n: 'é' }, [1, 2]].slice(0, read.length));
      const complete = bytes.subarray(0, length).filter((byte) => byte === 0x0a).length;
      expect(read.length).toBeGreaterThanOrEqual(complete);
    }
  });

  it('damage before the last line is an error with its number', async () => {
    await writeFile(log(), '{"n":1}\n{"n"\n{"n":3}\n');
    const work = readJsonLines(log());
    expect(await codeOf(work)).toBe('file.line_invalid');
    await expect(work).rejects.toThrow('line 2');
  });

  it('an append that another program slipped in between is not overwritten', async () => {
    await appendLine(log(), '1');
    await writeFile(log(), '2\n', { flag: 'a' });
    await appendLine(log(), '3');
    expect(await readJsonLines(log())).toEqual([1, 2, 3]);
  });

  it('errors are worded', async () => {
    expect(await codeOf(readJsonLines(at('nothing')))).toBe('file.read_failed');
    expect(await codeOf(appendLine(at('no', 'where'), '1'))).toBe('file.write_failed');
    await expect(appendLine(log(), 'a\nb')).rejects.toThrow('newline');
  });
});

describe('sweepStaleTemporaries', () => {
  const ofDead = (kind: 'part' | 'old'): string =>
    temporaryName(kind).replace(`-${process.pid}-`, '-2147483646-');
  const ofForeign = (kind: 'part' | 'old'): string =>
    temporaryName(kind).replace(/^\.mergewright-[0-9a-f]{8}/, '.mergewright-00000000');

  it('removes what dead processes left, and nothing else', async () => {
    const dead = ofDead('part');
    const deadFolder = ofDead('part');
    await writeFile(at(dead), '');
    await mkdir(at(deadFolder, 'sub'), { recursive: true });
    const keep = [temporaryName('part'), '.mergewright-x.part', 'a.part', ofForeign('part')];
    for (const name of keep) await writeFile(at(name), '');
    expect(await sweepStaleTemporaries(folder)).toEqual([dead, deadFolder].sort());
    expect((await readdir(folder)).sort()).toEqual(keep.sort());
  });

  it('removes those of another machine after a day', async () => {
    const name = ofForeign('part');
    await writeFile(at(name), '');
    expect(await sweepStaleTemporaries(folder)).toEqual([]);
    const longAgo = new Date(Date.now() - 25 * 60 * 60 * 1000);
    await utimes(at(name), longAgo, longAgo);
    expect(await sweepStaleTemporaries(folder)).toEqual([name]);
  });

  it('puts a folder back whose replacement never came, and drops it when it did', async () => {
    const lost = ofDead('old');
    const done = ofDead('old');
    for (const path of [at(lost, 'lost'), at(done, 'done'), at('done')]) {
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'content'), path === at('done') ? 'new' : 'old');
    }
    expect(await sweepStaleTemporaries(folder)).toEqual([lost, done].sort());
    expect((await readdir(folder)).sort()).toEqual(['done', 'lost']);
    expect(await text(at('lost', 'content'))).toBe('old');
    expect(await text(at('done', 'content'))).toBe('new');
  });
});
