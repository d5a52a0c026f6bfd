/**
 * A whole installation over HTTP, with a library of one function for TensorFlow and a binding of one file: what is
 * downloaded, unpacked, built, put in place and loaded is real.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bindingPath, readInstallation } from '../../../main/engine/tfjs/installation.ts';
import { HubClient } from '../../../main/hub/client.ts';
import { indexSettings } from '../../../main/hub/index-settings.ts';
import { hubSettings } from '../../../main/hub/settings.ts';
import { findCompiler } from '../../../main/setup/binding.ts';
import { planTensorflow, type InstallPlan } from '../../../main/setup/plan.ts';
import type { WheelNeed } from '../../../main/setup/sources.ts';
import { installTensorflow, removeTensorflow } from '../../../main/setup/tensorflow.ts';
import { startPackageIndex, type PackageIndex } from '../../support/package-index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { zip } from '../checkpoints/pytorch-files.ts';
import { impatient } from '../hub/support.ts';

const needs: readonly WheelNeed[] = [
  {
    project: 'tiny-flow',
    version: '1.2.0',
    placements: [
      { match: /^tensorflow\/libtensorflow_cc\.so\.2$/, kind: 'library', strip: '' },
      { match: /^tensorflow\/include\/.*\.h$/, kind: 'header', strip: 'tensorflow/include/' },
    ],
  },
];
const wheelName = 'tiny_flow-1.2.0-cp311-cp311-manylinux_2_17_x86_64.whl';
const machine = { platform: 'linux', architecture: 'x64', glibc: '2.36' } as const;

const header = 'const char* TF_Version(void);\n';
const bindingStart = `
#include <node_api.h>
extern "C" {
#include "tensorflow/c/c_api.h"
}
`;
const goodBinding = `${bindingStart}
NAPI_MODULE_INIT() {
  napi_value version;
  napi_create_string_utf8(env, TF_Version(), NAPI_AUTO_LENGTH, &version);
  napi_set_named_property(env, exports, "version", version);
  return exports;
}
`;
/** Hands memory to V8 that V8 did not make, which Electron's refuses. */
const externalBinding = `${bindingStart}
static char memory[8];
NAPI_MODULE_INIT() {
  napi_value buffer;
  napi_create_external_arraybuffer(env, memory, 8, nullptr, nullptr, &buffer);
  return buffer;
}
`;

let compiler: string | undefined;
let index: PackageIndex;
let client: HubClient;
let packageFolder: string;
let wheel: Buffer;

beforeAll(async () => {
  const here = process.platform === 'linux' ? findCompiler() : Promise.reject(new Error());
  compiler = await here.catch(() => undefined);
  index = await startPackageIndex();
  const env = { PIP_INDEX_URL: index.endpoint };
  client = new HubClient(indexSettings(hubSettings({ patience: impatient }, env), env));
  const folder = await temporaryFolder();
  packageFolder = join(folder, 'package');
  await mkdir(join(packageFolder, 'binding'), { recursive: true });
  await writeFile(join(packageFolder, 'package.json'), '{"name":"tiny-node","version":"4.5.6"}');
  const source = join(folder, 'library.c');
  const library = join(folder, 'libtensorflow_cc.so.2');
  await writeFile(source, 'const char* TF_Version(void) { return "1.2.0"; }\n');
  if (compiler !== undefined) {
    const flags = ['-shared', '-fPIC', '-x', 'c', source, '-o', library];
    execFileSync(compiler, [...flags, '-Wl,-soname,libtensorflow_cc.so.2']);
  } else await writeFile(library, 'no library');
  wheel = zip([
    { name: 'tensorflow/libtensorflow_cc.so.2', data: await readFile(library) },
    { name: 'tensorflow/include/tensorflow/c/c_api.h', data: Buffer.from(header) },
    { name: 'tensorflow/python/other.so', data: Buffer.alloc(50_000, 7) },
  ]);
});
afterAll(async () => {
  await client.close();
  await index.close();
});
beforeEach(async () => {
  index.projects.set('tiny-flow', new Map([[wheelName, wheel]]));
  index.form = 'json';
  index.flipped = false;
  index.requests.length = 0;
  await writeFile(join(packageFolder, 'binding', 'binding.cc'), goodBinding);
});

async function plan(folder: string): Promise<InstallPlan> {
  return planTensorflow(client, { variant: 'cpu', folder, needs, machine, packageFolder });
}
async function place(): Promise<string> {
  return join(await temporaryFolder(), 'engines', 'tensorflow');
}
async function beside(folder: string): Promise<string[]> {
  return existsSync(dirname(folder)) ? readdir(dirname(folder)) : [];
}
const noCompiler = 'no C++ compiler is here, or this is not Linux';

describe('an installation', () => {
  it('tells first what it would fetch, and fetches nothing for that', async ({ skip }) => {
    if (compiler === undefined) skip(noCompiler);
    for (const form of ['json', 'html'] as const) {
      index.form = form;
      const folder = await place();
      const { downloads, totalBytes, presentBytes } = await plan(folder);
      expect(downloads).toMatchObject([{ name: wheelName, version: '1.2.0', bytes: wheel.length }]);
      expect([totalBytes, presentBytes]).toEqual([wheel.length, 0]);
      expect(await beside(folder)).toEqual([]);
    }
    expect(index.requests.some((request) => / bytes=0-$/.test(request))).toBe(false);
  });

  it('is whole, is recorded, loads what lies beside it, and is removed again', async ({ skip }) => {
    if (compiler === undefined) skip(noCompiler);
    const folder = await place();
    const stages = new Set<string>();
    const installed = await installTensorflow(client, await plan(folder), {
      onProgress: ({ stage }) => stages.add(stage),
    });
    expect([...stages]).toEqual(['download', 'unpack', 'build']);
    expect(installed).toEqual(readInstallation(folder));
    expect(installed).toMatchObject({
      variant: 'cpu',
      tensorflow: '1.2.0',
      binding: 'tiny-node 4.5.6',
      sources: [{ name: wheelName, bytes: wheel.length }],
    });
    expect(await readdir(join(folder, 'lib', 'tensorflow'))).toEqual([
      'libtensorflow_cc.so.2',
      basename(bindingPath),
    ]);
    expect(await beside(folder)).toEqual(['tensorflow']);
    const load = createRequire(import.meta.url);
    expect(load(join(folder, bindingPath))).toEqual({ version: '1.2.0' });
    expect((await removeTensorflow(folder))?.tensorflow).toBe('1.2.0');
    expect(await beside(folder)).toEqual([]);
    expect(await removeTensorflow(folder)).toBeUndefined();
  });

  it('goes on with a download that broke off', async ({ skip }) => {
    if (compiler === undefined) skip(noCompiler);
    index.cutAfter = 20_000;
    await installTensorflow(client, await plan(await place()));
    const files = index.requests.filter((request) => request.startsWith('/files'));
    expect(files).toHaveLength(2);
    expect(Number(/bytes=(\d+)-$/.exec(files[1] ?? '')?.[1])).toBeGreaterThan(0);
  });

  it('is nothing where the bytes are not those of the checksum', async ({ skip }) => {
    if (compiler === undefined) skip(noCompiler);
    const folder = await place();
    const planned = await plan(folder);
    index.flipped = true;
    await expect(installTensorflow(client, planned)).rejects.toMatchObject({
      code: 'hub.checksum_mismatch',
    });
    expect(existsSync(folder)).toBe(false);
  });

  it.for([
    ['is no archive', Buffer.from('no archive at all')],
    ['has no libraries', zip([{ name: 'tensorflow/include/a.h', data: Buffer.from('') }])],
    ['leads out of its folder', zip([{ name: '../../outside.h', data: Buffer.from('') }])],
  ] as const)('refuses a wheel that %s', async ([, content], { skip }) => {
    if (compiler === undefined) skip(noCompiler);
    index.projects.set('tiny-flow', new Map([[wheelName, Buffer.from(content)]]));
    const folder = await place();
    await expect(installTensorflow(client, await plan(folder))).rejects.toMatchObject({
      code: 'engine.archive_invalid',
    });
    expect(existsSync(folder)).toBe(false);
  });

  it('that is cancelled or cannot be built leaves the one before', async ({ skip }) => {
    if (compiler === undefined) skip(noCompiler);
    const folder = await place();
    const before = await installTensorflow(client, await plan(folder));
    const controller = new AbortController();
    const cancelled = installTensorflow(client, await plan(folder), {
      signal: controller.signal,
      onProgress: ({ stage }) => {
        if (stage === 'build') controller.abort();
      },
    });
    await expect(cancelled).rejects.toMatchObject({ name: 'CancelledError' });
    await writeFile(join(packageFolder, 'binding', 'binding.cc'), externalBinding);
    await expect(installTensorflow(client, await plan(folder))).rejects.toMatchObject({
      code: 'engine.build_failed',
      what: expect.stringContaining('napi_create_external_arraybuffer') as string,
    });
    expect(readInstallation(folder)).toEqual(before);
  });
});

describe('what is missing is told before anything is fetched', () => {
  const folder = '/nonexistent/engines/tensorflow';

  it('a compiler, with the package that has one', async () => {
    await expect(findCompiler({ CXX: 'no-such-compiler' })).rejects.toMatchObject({
      code: 'engine.compiler_missing',
      what: expect.stringContaining('no-such-compiler is not here') as string,
    });
  });

  it('a build for this kind of machine', async () => {
    const bare = { platform: 'freebsd', architecture: 'x64', glibc: undefined } as const;
    await expect(
      planTensorflow(client, { variant: 'gpu', folder, machine: bare, packageFolder }),
    ).rejects.toMatchObject({
      code: 'engine.install_unsupported',
      what: 'there is no CUDA build of TensorFlow to install for freebsd on x64',
    });
  });

  it('a wheel for its C library', async ({ skip }) => {
    if (compiler === undefined) skip(noCompiler);
    const old = { ...machine, glibc: '2.5' };
    await expect(
      planTensorflow(client, { variant: 'cpu', folder, needs, machine: old, packageFolder }),
    ).rejects.toMatchObject({
      code: 'engine.install_unsupported',
      what: 'the index has no wheel of tiny-flow 1.2.0 for linux on x64, C library 2.5',
    });
  });
});
