/** Installing native TensorFlow over the contract: what it takes, one at a time, and errors with their codes. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest';
import { nodePackageFolder } from '../../../main/engine/tfjs/native.ts';
import { findCompiler } from '../../../main/setup/binding.ts';
import { thisMachine } from '../../../main/setup/wheels.ts';
import { startPackageIndex } from '../../support/package-index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { expectFailed, startHost } from './support.ts';

const index = await startPackageIndex();
const wheel = 'tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_17_x86_64.whl';
index.projects.set('tensorflow-cpu', new Map([[wheel, Buffer.alloc(200_000)]]));
const folder = await temporaryFolder();
const { platform, architecture, glibc } = thisMachine();
const compiler = await findCompiler().catch(() => undefined);
const ready =
  `${platform}-${architecture}` === 'linux-x64' &&
  glibc !== undefined &&
  compiler !== undefined &&
  nodePackageFolder() !== undefined;
const why = 'this needs Linux on x64, a C++ compiler and the optional package of TensorFlow';

afterAll(() => index.close());
beforeEach(() => {
  vi.stubEnv('PIP_INDEX_URL', index.endpoint);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('MERGEWRIGHT_ENGINES', folder);
});
afterEach(() => void vi.unstubAllEnvs());

it('tells what is fetched, from where, and where it comes to lie', async ({ skip }) => {
  if (!ready) skip(why);
  const { client } = startHost();
  expect(await client.engines.planTensorflow({ gpu: false })).toEqual({
    hosts: [new URL(index.endpoint).host],
    files: [{ name: wheel, bytes: 200_000 }],
    totalBytes: 200_000,
    presentBytes: 0,
    compiler,
    location: join(folder, 'tensorflow'),
  });
});

it('tells how far it is; what is no wheel fails with its code, and can be tried again', async ({
  skip,
}) => {
  if (!ready) skip(why);
  const { client } = startHost();
  for (let attempt = 0; attempt < 2; attempt++) {
    const stages: string[] = [];
    const follow = async (): Promise<void> => {
      for await (const event of await client.engines.installTensorflow({ gpu: false })) {
        if (event.type === 'progress') stages.push(event.stage);
      }
    };
    await expectFailed(follow(), 'engine.archive_invalid');
    expect(stages[0]).toBe('download');
  }
});

it('is done once at a time', async ({ skip }) => {
  if (!ready) skip(why);
  const { client } = startHost();
  let release: () => void = () => undefined;
  index.held = new Promise((resolve) => (release = resolve));
  const first = await client.engines.installTensorflow({ gpu: false });
  const second = await client.engines.installTensorflow({ gpu: false });
  await expectFailed(second.next(), 'engine.install_busy');
  release();
  await first.return();
});
