/** Packaging with electron-builder, for the system that this runs on. */
import { Arch, build, Platform } from 'electron-builder';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isNewer, root } from '../bundles.ts';
import { buildDesktop } from '../desktop.ts';
import { builderConfig } from './builder-config.ts';
import { findRuntime } from './runtime.ts';

/** Packages the application as `targets` into release/. */
export async function packageApplication(targets: readonly string[]): Promise<void> {
  const { platform, arch } = process;
  if (platform !== 'linux' && platform !== 'darwin' && platform !== 'win32') {
    throw new Error(`there is no Electron for ${platform}`);
  }
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`there is no Electron for ${arch}`);
  const runtime = await findRuntime();
  console.log(`runtime: ${runtime.title}`);
  await buildDesktop();
  await build({
    projectDir: root,
    targets: Platform.fromString(platform).createTarget([...targets], Arch[arch]),
    config: builderConfig(runtime, platform, arch),
    publish: 'never',
  });
}

const unpackedFolder = 'release/linux-unpacked';
const executable = `${unpackedFolder}/mergewright`;
const stamp = `${unpackedFolder}.built`;

/** Everything that gets into the package, as far as it changes between two of them. */
function packagedInputs(): string[] {
  const files = (folder: string): string[] =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((file) => path.join(folder, file))
      .filter((file) => statSync(path.join(root, file)).isFile());
  return [
    ...files('dist/desktop'),
    ...files('assets/demo'),
    ...files('assets/icons'),
    'package.json',
    'package-lock.json',
    'build/electron/builder-config.ts',
  ];
}

/** The executable of the unpacked application for Linux, packaged again when something that goes in has changed. */
export async function unpackedApplication(): Promise<string> {
  await buildDesktop();
  const fresh = existsSync(path.join(root, executable)) && isNewer(stamp, packagedInputs());
  if (!fresh) {
    await packageApplication(['dir']);
    writeFileSync(path.join(root, stamp), '');
  }
  return path.join(root, executable);
}
