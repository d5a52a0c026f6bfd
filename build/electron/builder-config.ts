/** How electron-builder packages the application. */
import type { Configuration } from 'electron-builder';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Runtime } from './runtime.ts';

const platforms = ['linux', 'darwin', 'win32'] as const;
export type Platform = (typeof platforms)[number];
export type Architecture = 'x64' | 'arm64';

/**
 * Packages that come with the kernels of native TensorFlow and are not asked for anything: its own entry and its
 * installer are not used, and `@tensorflow/tfjs-node` holds the same files as the package that stays.
 */
const unusedPackages = [
  '@tensorflow/tfjs',
  '@tensorflow/tfjs-node',
  '@tensorflow/tfjs-backend-webgl',
  '@tensorflow/tfjs-converter',
  '@tensorflow/tfjs-data',
  '@tensorflow/tfjs-layers',
  '@mapbox/node-pre-gyp',
  'core-js',
];

/** What of the packages is for other systems, for other bundlers, or for debugging. */
function excluded(platform: Platform, architecture: Architecture): string[] {
  const runtimes = 'node_modules/onnxruntime-node/bin/napi-v*';
  const otherArchitecture = architecture === 'x64' ? 'arm64' : 'x64';
  return [
    ...unusedPackages.map((name) => `!node_modules/${name}{,/**}`),
    ...platforms.filter((name) => name !== platform).map((name) => `!${runtimes}/${name}{,/**}`),
    `!${runtimes}/${platform}/${otherArchitecture}{,/**}`,
    // Providers for CUDA are hundreds of megabytes and need an installed CUDA anyway.
    `!${runtimes}/**/*{cuda,tensorrt}*`,
    '!node_modules/@napi-rs/*musl*{,/**}',
    '!node_modules/onnxruntime-node/{script,lib}/**/*.ts',
    '!node_modules/@tensorflow/*/src{,/**}',
    '!node_modules/@tensorflow/tfjs-node-gpu/{deps,lib,scripts,python}{,/**}',
    '!node_modules/@tensorflow/*/dist/*.{es2017,fesm,min}*',
    '!node_modules/@tensorflow/*/dist/**/*_test.*',
    '!**/*.{map,ts,mts,cts,md}',
  ];
}

/** The configuration for one system; `runtime` is the Electron that goes in. */
export function builderConfig(
  runtime: Pick<Runtime, 'folder' | 'version'>,
  platform: Platform,
  architecture: Architecture,
): Configuration {
  return {
    appId: 'org.mergewright.Mergewright',
    productName: 'Mergewright',
    copyright: 'Apache License 2.0',
    electronVersion: runtime.version,
    electronDist: runtime.folder,
    electronLanguages: ['en', 'en-US', 'en-GB'],
    directories: { output: 'release', buildResources: 'assets/icons' },
    // Everything that the three programs bundle is in dist/desktop; packages are those under "dependencies".
    files: [
      'dist/desktop/**',
      '!dist/desktop/*.{map,json,built}',
      'package.json',
      ...excluded(platform, architecture),
    ],
    // Native libraries and what they map cannot be read out of an archive.
    asar: true,
    asarUnpack: [
      '**/*.node',
      'node_modules/onnxruntime-node/bin/**',
      'node_modules/@tensorflow/tfjs-backend-wasm/wasm-out/**',
      'node_modules/@tensorflow/tfjs-backend-wasm/dist/*.wasm',
    ],
    extraResources: [
      { from: 'assets/demo', to: 'demo' },
      { from: 'assets/icons/256x256.png', to: 'icon.png' },
      { from: 'LICENSE', to: 'LICENSE' },
    ],
    // The starter of an unpacked Electron is of no use in a package.
    afterPack: async ({ appOutDir, packager }) => {
      const resources = packager.getResourcesDir(appOutDir);
      await rm(path.join(resources, 'default_app.asar'), { force: true });
    },
    // The packages' binaries come inside of them; nothing is compiled.
    npmRebuild: false,
    nodeGypRebuild: false,
    publish: null,
    electronFuses: {
      runAsNode: false,
      enableCookieEncryption: true,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      loadBrowserProcessSpecificV8Snapshot: false,
      grantFileProtocolExtraPrivileges: false,
    },
    linux: {
      target: ['AppImage', 'deb'],
      executableName: 'mergewright',
      icon: 'assets/icons',
      category: 'Science',
      synopsis: 'Merge fine-tuned models and see why the result behaves as it does',
      maintainer: 'The Mergewright authors',
      // A project is a folder: this offers "Open with Mergewright" on folders, without becoming the default.
      mimeTypes: ['inode/directory'],
    },
    deb: {
      depends: [
        'libgtk-3-0 | libgtk-3-0t64',
        'libnss3',
        'libgbm1',
        'libasound2 | libasound2t64',
        'xdg-utils',
      ],
    },
    win: { target: ['nsis'], icon: 'assets/icons/icon.ico' },
    nsis: {
      oneClick: false,
      perMachine: false,
      allowToChangeInstallationDirectory: true,
      include: 'build/electron/installer.nsh',
    },
    mac: {
      target: ['dmg'],
      icon: 'assets/icons/icon.icns',
      category: 'public.app-category.developer-tools',
      hardenedRuntime: true,
      extendInfo: {
        CFBundleDocumentTypes: [
          {
            CFBundleTypeName: 'Mergewright project',
            CFBundleTypeRole: 'Editor',
            LSHandlerRank: 'Alternate',
            LSItemContentTypes: ['public.folder'],
          },
        ],
      },
    },
  };
}
