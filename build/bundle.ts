/**
 * Bundles the command line program: main/cli.ts → dist/cli.js.
 * Packages stay outside the bundle, because the engines load native libraries from their own folders.
 * Does nothing when no source is newer than the bundle.
 */
import { build } from 'esbuild';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const entry = 'main/cli.ts';
const outputFile = path.join(root, 'dist/cli.js');
const inputListFile = path.join(root, 'dist/cli.inputs.json');

/** The files that decide what the bundle holds, beside the sources that it holds. */
const alwaysInputs = ['build/bundle.ts', 'package.json'];

function modified(file: string): number {
  const full = path.join(root, file);
  return existsSync(full) ? statSync(full).mtimeMs : Infinity;
}

function isFresh(): boolean {
  if (!existsSync(outputFile) || !existsSync(inputListFile)) return false;
  const inputs = JSON.parse(readFileSync(inputListFile, 'utf8')) as string[];
  const built = statSync(outputFile).mtimeMs;
  return inputs.every((file) => modified(file) < built);
}

async function bundle(): Promise<void> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: outputFile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    metafile: true,
    banner: { js: '#!/usr/bin/env node' },
    logLevel: 'warning',
  });
  chmodSync(outputFile, 0o755);
  const inputs = [...Object.keys(result.metafile.inputs), ...alwaysInputs];
  writeFileSync(inputListFile, JSON.stringify(inputs, null, 1));
}

if (!isFresh()) await bundle();
