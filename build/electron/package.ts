/**
 * `npm run package [-- TARGET…]`: packages the application for this system into release/. Targets are those of
 * electron-builder for it (AppImage, deb, nsis, dmg …); without any, `dir`: the unpacked application.
 */
import { Arch, build, Platform } from 'electron-builder';
import { buildDesktop } from '../desktop.ts';
import { root } from '../bundles.ts';
import { builderConfig } from './builder-config.ts';
import { findRuntime } from './runtime.ts';

/** Packages for this system; returns what electron-builder wrote. */
async function packageApplication(targets: readonly string[]): Promise<string[]> {
  const { platform, arch } = process;
  if (platform !== 'linux' && platform !== 'darwin' && platform !== 'win32') {
    throw new Error(`there is no Electron for ${platform}`);
  }
  if (arch !== 'x64' && arch !== 'arm64') throw new Error(`there is no Electron for ${arch}`);
  const runtime = await findRuntime();
  console.log(`runtime: ${runtime.title}`);
  await buildDesktop();
  const target = Platform.fromString(platform).createTarget([...targets], Arch[arch]);
  return build({
    projectDir: root,
    targets: target,
    config: builderConfig(runtime, platform, arch),
    publish: 'never',
  });
}

const named = process.argv.slice(2);
await packageApplication(named.length === 0 ? ['dir'] : named);
