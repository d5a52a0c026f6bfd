/** Native libraries that crash and that fail, loaded in a process of its own by the program that ships. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Installation } from '../../../main/engine/tfjs/installation.ts';
import { nodePackageFolder } from '../../../main/engine/tfjs/native.ts';
import type { NativeOrder } from '../../../main/engine/tfjs/native-backend.ts';
import { probeProduct } from '../../../main/engine/tfjs/probe-answer.ts';
import { runTrial } from '../../../main/engine/tfjs/trial.ts';
import { runProbe, type ProbeEnd, type ProbeRunner } from '../../../main/engine/probe-process.ts';
import { findCompiler } from '../../../main/setup/binding.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const installation: Installation = {
  format: 1,
  variant: 'cpu',
  tensorflow: '2.21.0',
  binding: 'tiny 1.0.0',
  installed: '2026-11-22T10:00:00.000Z',
  sources: [],
};
const order: NativeOrder = { binding: '/lib/binding.node', packageFolder: '/p', variant: 'cpu' };

let cache: string;
beforeEach(async () => {
  cache = await temporaryFolder();
  vi.stubEnv('XDG_CACHE_HOME', cache);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const good: ProbeEnd = {
  code: 0,
  signal: null,
  timedOut: false,
  stdout: JSON.stringify({ product: probeProduct }),
  stderr: '',
};
function ending(end: Partial<ProbeEnd>): { run: ProbeRunner; count: () => number } {
  let runs = 0;
  return {
    run: (asked) => {
      expect(asked.program).toBe('tensorflow');
      runs++;
      return Promise.resolve({ ...good, ...end });
    },
    count: () => runs,
  };
}
const answers = (answer: object) => ending({ stdout: JSON.stringify(answer) });

describe('a trial of native TensorFlow', () => {
  it('that went well is not repeated, unless another installation, driver or runtime is at hand', async () => {
    const { run, count } = ending({});
    expect(await runTrial(order, installation, run)).toBeUndefined();
    expect(await runTrial(order, installation, run)).toBeUndefined();
    expect(count()).toBe(1);
    const again = { ...installation, installed: '2026-11-23T10:00:00.000Z' };
    expect(await runTrial(order, again, run)).toBeUndefined();
    expect(count()).toBe(2);
    const kept = await readFile(join(cache, 'mergewright', 'native-tensorflow.json'), 'utf8');
    expect(JSON.parse(kept)).toMatchObject({ entries: [{ value: null }, { value: null }] });
  });

  it('that crashed is not repeated, and told with its day', async () => {
    const { run, count } = ending({ code: null, signal: 'SIGSEGV', stdout: '' });
    expect(await runTrial(order, installation, run)).toBe(
      'TensorFlow 2.21.0 crashed when it was tried in a process of its own (SIGSEGV), so it is not used; installing it again tries it again',
    );
    expect(await runTrial(order, installation, run)).toMatch(
      /crashed when it was tried in a process of its own on \d{4}-\d\d-\d\d \(SIGSEGV\)/,
    );
    expect(count()).toBe(1);
  });

  it.each([
    ['was killed', { code: null, signal: 'SIGKILL', stdout: '' }, /perhaps for lack of memory/],
    [
      'did not answer',
      { code: null, signal: 'SIGKILL', timedOut: true, stdout: '' },
      /^TensorFlow did not answer within 180 seconds/,
    ],
    ['said nothing', { code: 1, stdout: '' }, /^TensorFlow could not be tried \(code 1\)$/],
  ] as const)('that %s is told and tried again', async (_, end, reason) => {
    const { run, count } = ending(end);
    expect(await runTrial(order, installation, run)).toMatch(reason);
    expect(await runTrial(order, installation, run)).toMatch(reason);
    expect(count()).toBe(2);
  });

  it.each([
    [
      'libcudart.so.12: cannot open shared object file: No such file or directory',
      'libcudart.so.12 was not found',
    ],
    [
      "/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by /e/libtensorflow_cc.so.2)",
      'this system is too old for TensorFlow: it needs GLIBCXX 3.4.30',
    ],
    ['/e/tfjs_binding.node: undefined symbol: TFE_X', 'its binding does not fit to its libraries'],
    ['something new\nlong story', 'something new'],
  ])('says of %s', async (failure, reason) => {
    expect(await runTrial(order, installation, answers({ failure }).run)).toBe(reason);
  });

  it('finds a wrong product, and an answer behind what the library wrote', async () => {
    expect(await runTrial(order, installation, answers({ product: [0, 0, 0, 0] }).run)).toMatch(
      /wrong product/,
    );
    const noisy = ending({ stdout: `oneDNN is on\n${good.stdout}` });
    expect(await runTrial(order, installation, noisy.run)).toBeUndefined();
  });
});

/** Builds a library that Node can load, with `body` as what happens then. */
async function bindingThat(body: string): Promise<string | undefined> {
  const compiler = await findCompiler().catch(() => undefined);
  if (process.platform !== 'linux' || compiler === undefined) return undefined;
  const folder = await temporaryFolder();
  const source = join(folder, 'binding.cc');
  const output = join(folder, 'binding.node');
  await writeFile(source, `#include <node_api.h>\nNAPI_MODULE_INIT() { ${body} }\n`);
  const headers = createRequire(import.meta.url).resolve('node-api-headers/package.json');
  const include = join(dirname(headers), 'include');
  execFileSync(compiler, ['-shared', '-fPIC', '-I', include, source, '-o', output]);
  return output;
}

describe('the program that tries it', () => {
  it.for<readonly [what: string, body: string, reason: RegExp]>([
    [
      'an instruction that the processor lacks',
      '__builtin_trap(); return exports;',
      /crashed when it was tried .* \(SIGILL: it uses an instruction that this processor does not have\)/,
    ],
    [
      'a wild address',
      '*reinterpret_cast<volatile int*>(1) = 2; return exports;',
      /crashed .* \(SIGSEGV\)/,
    ],
    [
      'an error',
      'napi_throw_error(env, nullptr, "CUDA driver version is insufficient"); return exports;',
      /^CUDA driver version is insufficient$/,
    ],
  ])(
    'survives %s in its parent, and tells it',
    { timeout: 60_000 },
    async ([, body, reason], { skip }) => {
      const packageFolder = nodePackageFolder();
      const binding = await bindingThat(body);
      if (packageFolder === undefined) return skip('npm left out the optional package');
      if (binding === undefined) return skip('no C++ compiler is here, or this is not Linux');
      const native = { binding, packageFolder, variant: 'cpu' } as const;
      expect(await runTrial(native, installation, runProbe)).toMatch(reason);
    },
  );

  it('names a library that is not there', { timeout: 60_000 }, async ({ skip }) => {
    const packageFolder = nodePackageFolder();
    if (packageFolder === undefined) return skip('npm left out the optional package');
    const native = { ...order, packageFolder };
    expect(await runTrial(native, installation, runProbe)).toMatch(
      /Cannot find module '\/lib\/binding\.node'|binding\.node was not found/,
    );
  });
});
