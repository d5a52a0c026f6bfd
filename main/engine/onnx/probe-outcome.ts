/** What a probe wrote, in words a person understands, and the card that it computed on. */
import { statSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';
import type { Adapter } from '../engine.ts';
import { nvidiaVersion } from '../nvidia.ts';
import { endInWords, type ProbeEnd } from '../probe-process.ts';
import { probeProduct } from './probe-model.ts';
import type { GpuProvider } from './providers.ts';

export type ProbeOutcome =
  | { readonly runs: true; readonly adapter: Adapter | undefined }
  | { readonly runs: false; readonly reason: string };

/** Judges a probe by its end and its product. */
export function judgeProbe(provider: GpuProvider, end: ProbeEnd): ProbeOutcome {
  const { timedOut, stdout, stderr } = end;
  if (timedOut) return { runs: false, reason: 'its driver did not answer' };
  if (stdout === JSON.stringify(probeProduct)) {
    return { runs: true, adapter: adapterOf(provider, stderr) };
  }
  if (stdout !== '') return { runs: false, reason: 'its driver gives a wrong product' };
  const found = reasonIn(stderr);
  if (found !== undefined) return { runs: false, reason: found };
  return { runs: false, reason: `its driver crashed when it was tried (${endInWords(end)})` };
}

/** In order: what a driver says first is the cause of what follows. */
const reasons: readonly (readonly [pattern: RegExp, words: (match: RegExpExecArray) => string])[] =
  [
    [
      /Failed to open JSON file (\S+)/,
      ([, file = '']) => `the driver's description ${file} was not found`,
    ],
    [
      /Couldn't load Vulkan: (\S+?):? cannot open/,
      ([, file = '']) =>
        `${file} was not found: no Vulkan is installed (a package of the system called libvulkan1 or vulkan-loader)`,
    ],
    // As Linux says it, about a driver or about a library that CUDA's provider needs.
    [/(\S+): cannot open shared object file/, ([, file = '']) => `${file} was not found`],
    // As Windows and macOS say it.
    [
      /LoadLibrary failed with error \d+.*?"([^"]+)"\s*$/m,
      ([, file = '']) => `${basename(file)}, or a library that it needs, was not found`,
    ],
    [/Library not loaded: (\S+)/, ([, file = '']) => `${basename(file)} was not found`],
    [
      /(\S+): (?:wrong ELF class|invalid ELF header|file too short)/,
      ([, file = '']) => `its driver ${file} is damaged`,
    ],
    [
      /Found no drivers|No supported adapters|No available adapters/,
      () => 'no graphics card with a working driver was found',
    ],
    [
      /CUDA driver version is insufficient/,
      () => 'the NVIDIA driver is older than this CUDA needs',
    ],
    [/no CUDA-capable device/, () => 'no CUDA device was found'],
  ];

function reasonIn(stderr: string): string | undefined {
  for (const [pattern, words] of reasons) {
    const match = pattern.exec(stderr);
    if (match !== null) return words(match);
  }
  // The message of the error that ended the process; its place in ONNX Runtime's sources is of no use.
  const message = /^(?:\w*Error: )(.+)$/m.exec(stderr)?.[1];
  return message?.replace(/^\/onnxruntime_src\S+ .*? was false\. /, '');
}

const softwareNames = /swiftshader|llvmpipe|lavapipe|libvulkan_lvp|softpipe|Basic Render|\bWARP\b/i;

/**
 * The device that Vulkan's loader says it made, with its driver. Other systems do not tell; NVIDIA's kernel module
 * tells under Linux for CUDA.
 */
function adapterOf(provider: GpuProvider, stderr: string): Adapter | undefined {
  if (provider === 'cuda') return nvidiaCard();
  const [, name, library] =
    [...stderr.matchAll(/Using "(.+?)" with driver: "(.+?)"/g)].at(-1) ?? [];
  if (name === undefined || library === undefined) return undefined;
  const software = softwareNames.test(`${name} ${library}`);
  return { name, driver: driverVersion(library), software };
}

/** The version of a Vulkan driver: NVIDIA's as its kernel module says it, of others the library and its date. */
function driverVersion(library: string): string {
  if (/nvidia/i.test(library)) {
    const version = nvidiaVersion();
    if (version !== undefined) return `NVIDIA ${version}`;
  }
  const file = basename(library);
  const known = isAbsolute(library) ? statSync(library, { throwIfNoEntry: false }) : undefined;
  return known === undefined ? file : `${file} of ${known.mtime.toISOString().slice(0, 10)}`;
}

function nvidiaCard(): Adapter | undefined {
  const version = nvidiaVersion();
  if (version === undefined) return undefined;
  return { name: 'NVIDIA GPU', driver: `NVIDIA ${version}`, software: false };
}
