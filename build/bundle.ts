/**
 * Bundles the command line program: main/cli.ts → dist/cli.js, and beside it what its threads run.
 * Packages stay outside the bundle, because the engines load native libraries from their own folders.
 * Does nothing when no source is newer than the bundle.
 */
import { chmodSync } from 'node:fs';
import path from 'node:path';
import {
  bundleEngineProbes,
  bundleImageThread,
  bundleMergeThread,
  bundleWhenStale,
  root,
} from './bundles.ts';

const output = 'dist/cli.js';
const bundled = await bundleWhenStale('main/cli.ts', output, 'build/bundle.ts', {
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  banner: { js: '#!/usr/bin/env node' },
});
if (bundled) chmodSync(path.join(root, output), 0o755);
await bundleMergeThread(path.dirname(output));
await bundleImageThread(path.dirname(output));
await bundleEngineProbes(path.dirname(output));
