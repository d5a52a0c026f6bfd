import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { engines } from '../../../main/cli/commands/engines.ts';
import { runProgram } from '../../../main/cli/main.ts';
import { bindingPath, recordName } from '../../../main/engine/tfjs/installation.ts';
import { nodePackageFolder } from '../../../main/engine/tfjs/native.ts';
import { findCompiler } from '../../../main/setup/binding.ts';
import { thisMachine } from '../../../main/setup/wheels.ts';
import { startPackageIndex } from '../../support/package-index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const index = await startPackageIndex();
const wheel = 'tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_17_x86_64.whl';
index.projects.set('tensorflow-cpu', new Map([[wheel, Buffer.alloc(3_000_000)]]));
afterAll(() => index.close());
afterEach(() => void vi.unstubAllEnvs());

async function call(
  ...words: readonly string[]
): Promise<[code: number, out: string, err: string]> {
  let [out, err] = ['', ''];
  const code = await runProgram(['engines', ...words], {
    commands: [engines],
    version: '',
    stdout: { columns: 100, write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
  });
  return [code, out, err];
}

describe('engines install', () => {
  it('tells what would be fetched, from where and how large it is', async ({ skip }) => {
    const { platform, architecture, glibc } = thisMachine();
    if (`${platform}-${architecture}` !== 'linux-x64' || glibc === undefined) {
      skip('the stand-in has a wheel for Linux on x64 alone');
    }
    if (nodePackageFolder() === undefined) skip('npm left out the optional package of TensorFlow');
    await findCompiler().catch(() => skip('no C++ compiler is here'));
    const folder = await temporaryFolder();
    vi.stubEnv('PIP_INDEX_URL', index.endpoint);
    vi.stubEnv('HF_HUB_OFFLINE', '');
    vi.stubEnv('MERGEWRIGHT_ENGINES', folder);
    const [code, out] = await call('install', 'tensorflow', '--dry-run');
    expect([code, out.split('\n').slice(0, 2)]).toEqual([
      0,
      [
        `To download: 3 MB, listed by ${new URL(index.endpoint).host}`,
        `  ${wheel}, 3 MB, from ${new URL(index.endpoint).host}`,
      ],
    ]);
    expect(out).toContain(`To be kept in ${join(folder, 'tensorflow')}`);
    const [, json] = await call('install', 'tensorflow', '--dry-run', '--json');
    expect(JSON.parse(json)).toMatchObject({
      totalBytes: 3_000_000,
      files: [{ version: '2.21.0' }],
    });
    expect(index.requests.filter((request) => request.startsWith('/files'))).toEqual([]);
  });

  it('asks nothing while the network is switched off', async ({ skip }) => {
    await findCompiler().catch(() => skip('no C++ compiler is here'));
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const [code, , err] = await call('install', 'tensorflow', '--dry-run');
    expect(code).not.toBe(0);
    expect(err).toMatch(/HF_HUB_OFFLINE is set|left out the optional package|no TensorFlow/);
  });

  it.each([
    [['instal', 'tensorflow'], /has install and remove, but no "instal"/],
    [['install'], /install needs the name "tensorflow"/],
    [['remove', 'onnx'], /remove needs the name "tensorflow"/],
  ])('refuses %j', async (words, message) => {
    const [code, , err] = await call(...words);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('engines remove', () => {
  it('takes away what install has put there, and says where nothing was', async () => {
    const folder = await temporaryFolder();
    vi.stubEnv('MERGEWRIGHT_ENGINES', folder);
    const place = join(folder, 'tensorflow');
    await mkdir(dirname(join(place, bindingPath)), { recursive: true });
    await writeFile(join(place, bindingPath), '');
    const record = { format: 1, variant: 'cpu', tensorflow: '2.21.0', sources: [] };
    await writeFile(join(place, recordName), JSON.stringify(record));
    expect(await call('remove', 'tensorflow')).toEqual([
      0,
      `native TensorFlow 2.21.0 is removed from ${place}\n`,
      '',
    ]);
    expect((await call('remove', 'tensorflow'))[1]).toBe(
      `native TensorFlow is not installed in ${place}\n`,
    );
  });
});
