/**
 * Builds the desktop application into dist/desktop: the shell (electron/), the compute host (main/host/) and the window
 * (renderer/). Does nothing for a part of which no source is newer than what was built.
 */
import type { BuildOptions } from 'esbuild';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as buildWindow } from 'vite';
import {
  bundleEngineProbes,
  bundleImageThread,
  bundleMergeThread,
  bundleWhenStale,
  isNewer,
  root,
} from './bundles.ts';

const self = 'build/desktop.ts';
const windowConfig = 'build/vite.config.ts';
const windowStamp = 'dist/desktop/renderer.built';

function filesUnder(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/** Everything that can reach the window; main/api is all of ours that it may import. */
function windowInputs(): string[] {
  const configuration = [self, windowConfig, 'svelte.config.js', 'package.json'];
  return [...filesUnder('renderer'), ...filesUnder('main/api'), ...configuration];
}

/** Vite follows NODE_ENV where it is set, as a test runner does; the window is always the one that ships. */
async function buildWindowForUse(): Promise<void> {
  const { NODE_ENV: before } = process.env;
  process.env['NODE_ENV'] = 'production';
  try {
    await buildWindow({ configFile: path.join(root, windowConfig), logLevel: 'warn' });
  } finally {
    if (before === undefined) delete process.env['NODE_ENV'];
    else process.env['NODE_ENV'] = before;
  }
}

/** Builds what is stale; returns the names of the parts that were built. */
export async function buildDesktop(): Promise<string[]> {
  const electron: BuildOptions = { platform: 'node', external: ['electron'], target: 'node20' };
  const parts: [name: string, build: () => Promise<boolean>][] = [
    [
      'shell',
      () =>
        bundleWhenStale('electron/main.ts', 'dist/desktop/main.cjs', self, {
          ...electron,
          format: 'cjs',
        }),
    ],
    [
      'preload',
      // A sandboxed preload script is one CommonJS file.
      () =>
        bundleWhenStale('electron/preload/preload.ts', 'dist/desktop/preload.cjs', self, {
          ...electron,
          format: 'cjs',
        }),
    ],
    [
      'compute host',
      // The engines load native libraries from their own folders, so packages stay outside.
      () =>
        bundleWhenStale('main/host/entry.ts', 'dist/desktop/host.mjs', self, {
          packages: 'external',
          platform: 'node',
          target: 'node20',
          format: 'esm',
        }),
    ],
    ['merge thread', () => bundleMergeThread('dist/desktop')],
    ['image thread', () => bundleImageThread('dist/desktop')],
    ['engine probes', () => bundleEngineProbes('dist/desktop')],
    [
      'window',
      async () => {
        if (isNewer(windowStamp, windowInputs())) return false;
        await buildWindowForUse();
        writeFileSync(path.join(root, windowStamp), '');
        return true;
      },
    ],
  ];
  const built: string[] = [];
  for (const [name, build] of parts) if (await build()) built.push(name);
  return built;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildDesktop();
