import { expect, it } from 'vitest';
import { engines } from '../../../main/cli/commands/engines.ts';
import { runProgram } from '../../../main/cli/main.ts';

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
  expect(listed.map(({ id }) => id)).toEqual([
    'onnx',
    'tfjs-node-gpu',
    'tfjs-node',
    'tfjs-wasm',
    'reference',
  ]);
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
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(70);
});

it('stops when cancelled', async () => {
  expect(await call([], AbortSignal.abort())).toEqual([130, '']);
});
