import { expect, it, vi } from 'vitest';
import { engines } from '../../../main/cli/commands/engines.ts';
import { engineListingIds } from '../../../main/engine/registry.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

vi.stubEnv('XDG_CACHE_HOME', await temporaryFolder());

async function call(
  words: readonly string[],
  signal = new AbortController().signal,
): Promise<[number, string]> {
  let out = '';
  const code = await runProgram(['engines', ...words], {
    commands: [engines],
    version: '',
    stdout: { columns: 70, write: (text) => (out += text) },
    stderr: { write: () => undefined },
    env: {},
    signal,
  });
  return [code, out];
}

interface Listed {
  readonly engines: readonly {
    readonly id: string;
    readonly available: boolean;
    readonly gflops?: number;
    readonly reason?: string;
  }[];
}

it('lists every engine with its speed, or why it does not run', async () => {
  const [code, out] = await call(['--json', '--threads', '1']);
  expect(code).toBe(0);
  const listed = (JSON.parse(out) as Listed).engines;
  expect(listed.map(({ id }) => id)).toEqual(engineListingIds);
  for (const { available, gflops, reason } of listed) {
    if (available) expect(gflops).toBeGreaterThan(0);
    else expect(reason).not.toBe('');
  }
  expect(listed[0]).toMatchObject({ available: true, device: 'cpu', threads: 1 });
});

it('sets the list within the width', async () => {
  const [, out] = await call([]);
  const lines = out.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^engine +device +threads +GFLOP\/s +library$/);
  expect(lines[1]).toMatch(/^onnx +CPU +\d+ +[\d.]+ +ONNX Runtime/);
  // The name of a missing library may be longer than its column.
  for (const line of lines) {
    if (!/^ *\S{29,}$/.test(line)) expect(line.length, line).toBeLessThanOrEqual(70);
  }
});

it('with --bench times a step of a model and says which engine auto takes', async () => {
  const [code, out] = await call(['--bench', '--model', 'assets/demo/base', '--json']);
  expect(code).toBe(0);
  const { shape, engines: rows } = JSON.parse(out) as {
    shape: object;
    engines: { id: string; available: boolean; seconds?: number; chosen: boolean }[];
  };
  expect(shape).toEqual({ images: 16, tokens: 17, width: 128, hidden: 512, heads: 4 });
  expect(rows.find(({ id }) => id === 'onnx')?.seconds).toBeGreaterThan(0);
  expect(rows.find(({ id }) => id === 'reference')).not.toHaveProperty('seconds');
  expect(rows.filter(({ chosen }) => chosen)).toHaveLength(1);
  const [usage] = await call(['--model', 'assets/demo/base']);
  expect(usage).toBe(2);
});

it('stops when cancelled', async () => {
  expect(await call([], AbortSignal.abort())).toEqual([130, '']);
});
