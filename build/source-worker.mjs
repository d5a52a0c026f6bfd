/**
 * Lets a worker thread, or a process, run a TypeScript module as it is; what is shipped starts bundles instead. The module is
 * bundled and put where its packages are found; as long as none of its sources changes, the bundle is used again:
 * looking at their times takes a millisecond, bundling half a second of processor time for every thread.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { threadId, workerData } from 'node:worker_threads';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = path.join(root, '.cache', 'threads');
// A process names the module first; what follows is the module's own.
const module = fileURLToPath(workerData?.module ?? process.argv.splice(2, 1)[0]);
const digest = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);
const record = path.join(folder, `${digest(module)}.json`);

/** Size and time of change of every source, by its path. */
function stamps(sources) {
  const rows = sources.map((source) => {
    const { size, mtimeMs } = statSync(path.join(root, source));
    return [source, `${size} ${mtimeMs}`];
  });
  return Object.fromEntries(rows);
}

/** The bundle of an earlier thread, if it still is that of the sources. */
function kept() {
  try {
    const { sources, bundle } = JSON.parse(readFileSync(record, 'utf8'));
    const now = stamps(Object.keys(sources));
    statSync(bundle);
    return Object.keys(sources).every((source) => sources[source] === now[source])
      ? bundle
      : undefined;
  } catch {
    return undefined;
  }
}

/** Readers of `file` never see a part of it, whatever other threads and processes write meanwhile. */
function place(file, contents) {
  const unfinished = `${file}.${process.pid}-${threadId}`;
  writeFileSync(unfinished, contents);
  renameSync(unfinished, file);
}

async function bundled() {
  const { buildSync } = await import('esbuild');
  const start = Date.now();
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: [module],
    bundle: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  const [{ contents }] = outputFiles;
  const bundle = path.join(folder, `${digest(contents)}.mjs`);
  mkdirSync(folder, { recursive: true });
  place(bundle, contents);
  const sources = stamps(Object.keys(metafile.inputs));
  // What was saved meanwhile may not be in the bundle.
  const settled = Object.values(sources).every((stamp) => Number(stamp.split(' ')[1]) < start);
  if (settled) place(record, JSON.stringify({ sources, bundle }));
  return bundle;
}

await import(pathToFileURL(kept() ?? (await bundled())).href);
