/** The packaged application: its fuses, what is in it, and that it starts. */
import { FuseV1Options, getCurrentFuseWire } from '@electron/fuses';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { unpackedApplication } from '../../../build/electron/packaging.ts';
import { launchPackaged } from '../../support/app.ts';

const supported = process.platform === 'linux';
let executable: string;

beforeAll(async () => {
  if (supported) executable = await unpackedApplication();
});

describe.runIf(supported)('the packaged application', () => {
  test('has its fuses flipped', async () => {
    const wire = await getCurrentFuseWire(executable);
    // The library does not export its names of the states, which are the characters 0 and 1 of the wire.
    const names = new Map([
      [48, 'DISABLE'],
      [49, 'ENABLE'],
    ]);
    const state = (fuse: FuseV1Options) => names.get(Number(wire[fuse]));
    expect({
      RunAsNode: state(FuseV1Options.RunAsNode),
      EnableCookieEncryption: state(FuseV1Options.EnableCookieEncryption),
      EnableNodeOptionsEnvironmentVariable: state(
        FuseV1Options.EnableNodeOptionsEnvironmentVariable,
      ),
      EnableNodeCliInspectArguments: state(FuseV1Options.EnableNodeCliInspectArguments),
      EnableEmbeddedAsarIntegrityValidation: state(
        FuseV1Options.EnableEmbeddedAsarIntegrityValidation,
      ),
      OnlyLoadAppFromAsar: state(FuseV1Options.OnlyLoadAppFromAsar),
      LoadBrowserProcessSpecificV8Snapshot: state(
        FuseV1Options.LoadBrowserProcessSpecificV8Snapshot,
      ),
      GrantFileProtocolExtraPrivileges: state(FuseV1Options.GrantFileProtocolExtraPrivileges),
    }).toEqual({
      RunAsNode: 'DISABLE',
      EnableCookieEncryption: 'ENABLE',
      EnableNodeOptionsEnvironmentVariable: 'DISABLE',
      EnableNodeCliInspectArguments: 'DISABLE',
      EnableEmbeddedAsarIntegrityValidation: 'ENABLE',
      OnlyLoadAppFromAsar: 'ENABLE',
      LoadBrowserProcessSpecificV8Snapshot: 'DISABLE',
      GrantFileProtocolExtraPrivileges: 'DISABLE',
    });
  });

  test('brings the demo and the libraries of this system, and no others', () => {
    const resources = path.join(path.dirname(executable), 'resources');
    expect(existsSync(path.join(resources, 'demo/recipe.yaml'))).toBe(true);
    expect(existsSync(path.join(resources, 'app'))).toBe(false);
    expect(existsSync(path.join(resources, 'default_app.asar'))).toBe(false);
    const unpacked = path.join(resources, 'app.asar.unpacked');
    const libraries = readdirSync(unpacked, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.(node|so[.\d]*|dll|dylib)$/.test(file),
    );
    expect(libraries.some((file) => file.endsWith('onnxruntime_binding.node'))).toBe(true);
    expect(libraries.some((file) => /skia\.linux-\w+-gnu\.node$/.test(file))).toBe(true);
    expect(libraries.filter((file) => /darwin|win32|musl|cuda|tensorrt/.test(file))).toEqual([]);
  });

  test('starts, opens the demo with its compute process, and lets nobody in', async () => {
    // Both would run Node in a stock Electron.
    const env = { ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '--require=/nonexistent.js' };
    const running = await launchPackaged(executable, { env, arguments: ['--inspect=0'] });
    try {
      const { page } = running;
      await page.waitForFunction(() => document.title.includes('Demo'), undefined, {
        timeout: 60_000,
      });
      expect(page.url()).toBe('app://mergewright/index.html');
      expect(await page.evaluate(() => [typeof process, 'require' in window])).toEqual([
        'undefined',
        false,
      ]);
      expect(running.problems).toEqual([]);
    } finally {
      await running.close();
    }
  });
});

if (!supported) {
  test('the packaged application', (context) => {
    context.skip('packaged for tests on Linux only');
  });
}
