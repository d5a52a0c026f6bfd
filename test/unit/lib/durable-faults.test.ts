/** Full disks, failing system calls and killed processes: a path holds the whole old or the whole new. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  type TestContext,
} from 'vitest';
import {
  isTemporaryName,
  replaceFolderDurably,
  sweepStaleTemporaries,
} from '../../../main/lib/durable.ts';

/** The child as one plain script, so that starting it costs nothing and makes no calls of its own. */
const scripts = mkdtempSync(join(tmpdir(), 'mergewright-child-'));
const node = [process.execPath, join(scripts, 'child.mjs')];
beforeAll(() => {
  const entryPoints = [fileURLToPath(new URL('./durable-child.ts', import.meta.url))];
  buildSync({ entryPoints, outfile: node[1]!, bundle: true, platform: 'node', format: 'esm' });
});
afterAll(() => {
  rmSync(scripts, { recursive: true, force: true });
});

/** strace counts the calls of each thread, so all of them are made by one. */
const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };

interface Outcome {
  readonly code: string;
  readonly message: string;
  readonly names: readonly string[];
  readonly content: string;
}

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergewright-durable-'));
  await writeFile(join(folder, 'target'), 'old');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const start = (command: string, ...args: string[]) => spawnSync(command, args, { env });
const works = (command: string, ...args: string[]) => start(command, ...args).status === 0;
const canMount = works('unshare', '-m', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', tmpdir());
const canTrace = works('strace', '-f', '-o', '/dev/null', 'true');

function requireTool(context: TestContext, present: boolean, reason: string): void {
  if (present) return;
  console.warn(`skipped: ${context.task.name}: ${reason}`);
  context.skip(reason);
}

async function run(command: string, ...args: string[]): Promise<Outcome> {
  const { stdout } = await promisify(execFile)(command, args, { env });
  return JSON.parse(stdout) as Outcome;
}

async function exportOld(): Promise<void> {
  await replaceFolderDurably(join(folder, 'export'), (temporary) =>
    writeFile(join(temporary, 'model'), 'old'),
  );
}

/** Runs the child on a disk of one mebibyte that holds an old target. */
function runOnSmallDisk(mode: string): Promise<Outcome> {
  const script =
    'mount -t tmpfs -o size=1m none "$0" && if [ "$1" != line ]; then printf old > "$0/target"; fi && m="$1" && d="$0" && shift && exec "$@" "$m" "$d"';
  return run('unshare', '-m', 'sh', '-c', script, folder, mode, ...node);
}

describe('on a full disk', () => {
  const cases = [
    ['early', 'the space is asked for first'],
    ['late', 'the space runs out while writing'],
    ['safetensors', 'the space runs out while a checkpoint is written'],
  ] as const;
  it.each(cases)('%s: %s', async (mode) => {
    const outcome = await runOnSmallDisk(mode);
    expect(outcome.code).toBe('file.disk_full');
    expect(outcome.message).toMatch(
      mode === 'early' ? /2097152 bytes, but only \d+ are free/ : /ENOSPC/,
    );
    expect(outcome.content).toBe('old');
    expect(outcome.names.filter((name) => name !== 'filler')).toEqual(['target']);
  });

  it('a folder that does not fit is not there, nor is anything of it', async () => {
    const outcome = await runOnSmallDisk('folder');
    expect(outcome.code).toBe('file.disk_full');
    expect(outcome.names).toEqual(['filler', 'target']);
  });

  it('a line that does not fit leaves the lines before it', async () => {
    const outcome = await runOnSmallDisk('line');
    expect(outcome.code).toBe('file.disk_full');
    expect(outcome.content).toBe('{"n":1}\n');
  });

  beforeEach((context) =>
    requireTool(context, canMount, 'mounting a small disk is not permitted here'),
  );
});

describe('when a system call fails', () => {
  beforeEach((context) => requireTool(context, canTrace, 'strace cannot be used here'));

  const inject = (fault: string, mode = 'write'): Promise<Outcome> =>
    run('strace', '-f', '-o', '/dev/null', '-e', `inject=${fault}`, ...node, mode, folder);

  const before = [
    ['fsync:error=EIO:when=1', 'EIO'],
    ['rename:error=EACCES:when=1', 'EACCES'],
    ['fchmod:error=EROFS:when=1', 'EROFS'],
  ] as const;
  it.each(before)('%s: the old file stays, the temporary goes', async (fault, errno) => {
    const outcome = await inject(fault);
    expect(outcome.code).toBe('file.write_failed');
    expect(outcome.message).toContain(errno);
    expect(outcome.content).toBe('old');
    expect(outcome.names).toEqual(['target']);
  });

  it('fsync with ENOSPC says that the disk is full', async () => {
    expect((await inject('fsync:error=ENOSPC:when=1')).code).toBe('file.disk_full');
  });

  it('the sync of the folder: the new file is there, and the error says so', async () => {
    const outcome = await inject('fsync:error=EIO:when=2');
    expect(outcome.code).toBe('file.write_failed');
    expect(outcome.message).toContain('the new file is in place');
    expect(outcome.content).toBe('new');
    expect(outcome.names).toEqual(['target']);
  });

  it('the second rename of a folder: the old folder is put back', async () => {
    await exportOld();
    // The first two renames place the files in the temporary folder, the third moves the old one away.
    const outcome = await inject('rename:error=EIO:when=4', 'overwrite');
    expect(outcome.code).toBe('file.write_failed');
    expect(outcome.names).toEqual(['export', 'target']);
    expect(await readFile(join(folder, 'export', 'model'), 'utf8')).toBe('old');
  });

  it('that rename and the one that would undo it: the error says where the old folder is', async () => {
    await exportOld();
    const outcome = await inject('rename:error=EIO:when=4+', 'overwrite');
    expect(outcome.code).toBe('file.write_failed');
    const [, moved = ''] = /the old folder was moved to (\S+)/.exec(outcome.message) ?? [];
    expect(await readFile(join(moved, 'model'), 'utf8')).toBe('old');
    // The next one puts it back before it begins, and leaves nothing beside it.
    const next = await run(node[0]!, node[1]!, 'overwrite', folder);
    expect([next.code, next.names]).toEqual(['done', ['export', 'target']]);
  });

  it('a sync inside an unfinished folder: the error names the final place and promises nothing', async () => {
    const outcome = await inject('fsync:error=EIO:when=2', 'overwrite');
    expect(outcome.code).toBe('file.write_failed');
    expect(outcome.message).toContain(`, in ${join(folder, 'export', 'model')}; `);
    expect(outcome.message).toContain('nothing at this path was changed');
    expect(outcome.names).toEqual(['target']);
  });

  it('the last sync of a folder: the new one is there, the old one is not, and the error says so', async () => {
    await exportOld();
    const outcome = await inject('fsync:error=EIO:when=8', 'overwrite');
    expect(outcome.code).toBe('file.write_failed');
    expect(outcome.message).toContain('the new folder is in place');
    expect(await readFile(join(folder, 'export', 'model'), 'utf8')).toBe('new');
  });
});

describe('the protocol, as the system sees it', () => {
  beforeEach((context) => requireTool(context, canTrace, 'strace cannot be used here'));

  /** The calls on files of the child, in order; random names are shown by what they end in. */
  async function callsOf(mode: string): Promise<readonly string[]> {
    const log = join(scripts, 'trace');
    const filter = 'trace=fsync,rename';
    await run('strace', '-f', '-y', '-o', log, '-e', filter, ...node, mode, folder);
    return (await readFile(log, 'utf8'))
      .split('\n')
      .map((line) => /(fsync|rename)\(\d*[<"]([^>"]+)/.exec(line))
      .filter((match) => match !== null)
      .map(([, call, path]) => {
        const shown = path!.replace(folder, '').replaceAll(/\.mergewright-[^/]*\./g, '*.');
        return `${call!} ${shown === '' ? '/' : shown}`;
      });
  }

  it('a file is synced before the rename, the folder after it', async () => {
    expect(await callsOf('write')).toEqual(['fsync /*.part', 'rename /*.part', 'fsync /']);
  });

  it('everything in a folder is synced before the old one is moved away', async () => {
    await exportOld();
    const calls = await callsOf('overwrite');
    const moved = calls.indexOf('rename /export');
    const synced = calls.slice(0, moved).slice(-3).toSorted();
    expect(synced).toEqual([
      'fsync /*.part',
      'fsync /*.part/.mergewright.json',
      'fsync /*.part/model',
    ]);
    expect(calls.slice(moved)).toEqual(['rename /export', 'rename /*.part', 'fsync /']);
  });

  it('a line is synced before its append returns', async () => {
    expect(await callsOf('append')).toEqual(['fsync /log']);
  });
});

describe('a killed process', () => {
  it('in the middle of a write leaves the old file, and a temporary that is swept', async () => {
    const [command = '', ...args] = node;
    const writer = spawn(command, [...args, 'endless', folder]);
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    expect(await sweepStaleTemporaries(folder)).toEqual([]);
    writer.kill('SIGKILL');
    await new Promise((resolve) => writer.once('exit', resolve));
    const names = await readdir(folder);
    expect(names).toHaveLength(2);
    expect(names.filter(isTemporaryName)).toHaveLength(1);
    expect(await readFile(join(folder, 'target'), 'utf8')).toBe('old');
    expect(await sweepStaleTemporaries(folder)).toEqual(names.filter(isTemporaryName));
    expect(await readdir(folder)).toEqual(['target']);
  });

  const points = [
    ['write', 'fsync', 1, 'old'],
    ['write', 'rename', 1, 'old'],
    ['write', 'fsync', 2, 'new'],
  ] as const;
  it.each(points)('%s, at %s number %i', async (mode, call, when, content) => {
    runAndKill(call, when, mode);
    expect(await readFile(join(folder, 'target'), 'utf8')).toBe(content);
    await sweepStaleTemporaries(folder);
    expect(await readdir(folder)).toEqual(['target']);
  });

  it.each([1, 2, 3, 4])('replacing a folder, at rename number %i', async (when) => {
    await exportOld();
    runAndKill('rename', when, 'overwrite');
    const cleared = await sweepStaleTemporaries(folder);
    // From the third on there is a second temporary, for the old folder; at the fourth it is in there.
    expect(cleared).toHaveLength(when >= 3 ? 2 : 1);
    expect(await readdir(folder)).toEqual(['export', 'target']);
    expect(await readFile(join(folder, 'export', 'model'), 'utf8')).toBe('old');
  });

  it.each([1, 3, 4])('replacing a folder again after a kill at rename number %i', async (when) => {
    await exportOld();
    runAndKill('rename', when, 'overwrite');
    const outcome = await run(node[0]!, node[1]!, 'overwrite', folder);
    expect([outcome.code, outcome.names]).toEqual(['done', ['export', 'target']]);
    expect(await readFile(join(folder, 'export', 'model'), 'utf8')).toBe('new');
  });

  function runAndKill(call: string, when: number, mode: string): void {
    const fault = `inject=${call}:signal=SIGKILL:when=${when}`;
    const traced = ['-f', '-o', '/dev/null', '-e', fault, ...node, mode, folder];
    expect(start('strace', ...traced).signal).toBe('SIGKILL');
  }

  beforeEach((context) => requireTool(context, canTrace, 'strace cannot be used here'));
});
