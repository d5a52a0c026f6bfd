/**
 * Lets a worker thread run a TypeScript module as it is; what is shipped starts bundles instead. The module is
 * bundled in memory, which takes a tenth of a second, and put where its packages are found.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { threadId, workerData } from 'node:worker_threads';
import { buildSync } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { outputFiles } = buildSync({
  absWorkingDir: root,
  entryPoints: [fileURLToPath(workerData.module)],
  bundle: true,
  write: false,
  logLevel: 'silent',
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
});
const [{ contents }] = outputFiles;
const folder = path.join(root, '.cache', 'threads');
const name = createHash('sha256').update(contents).digest('hex').slice(0, 16);
const bundle = path.join(folder, `${name}.mjs`);
if (!existsSync(bundle)) {
  mkdirSync(folder, { recursive: true });
  const unfinished = `${bundle}.${process.pid}-${threadId}`;
  writeFileSync(unfinished, contents);
  renameSync(unfinished, bundle);
}
await import(pathToFileURL(bundle).href);
