import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeEngine } from '../../../main/engine/describe.ts';
import { computeFailure } from '../../../main/engine/onnx/failures.ts';
import { probeProduct } from '../../../main/engine/onnx/probe-model.ts';
import { judgeProbe } from '../../../main/engine/onnx/probe-outcome.ts';
import { tryProvider } from '../../../main/engine/onnx/probe.ts';
import { missingForProvider } from '../../../main/engine/onnx/providers.ts';
import type { ProbeEnd } from '../../../main/engine/probe-process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const right = JSON.stringify(probeProduct);
const failed: ProbeEnd = { code: 1, signal: null, timedOut: false, stdout: '', stderr: '' };

describe('what a probe says', () => {
  // Each as the loader, Dawn or ONNX Runtime 1.30 wrote it; the last three as their sources have it.
  it.each([
    [
      "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file: No such file or directory\n    at operator()",
      /^libvulkan\.so\.1 was not found: no Vulkan is installed/,
    ],
    [
      'DRIVER:            Found the following files:\nERROR:             loader_get_json: Failed to open JSON file /etc/vulkan/gone.json',
      /^the driver's description \/etc\/vulkan\/gone\.json was not found$/,
    ],
    [
      'ERROR:             /opt/gone/libGLX_nvidia.so.0: cannot open shared object file: No such file or directory\nWarning: vkCreateInstance: Found no drivers!',
      /^\/opt\/gone\/libGLX_nvidia\.so\.0 was not found$/,
    ],
    [
      'ERROR: loader_scanned_icd_add: /opt/lib/libvulkan_x.so: file too short',
      /^its driver \/opt\/lib\/libvulkan_x\.so is damaged$/,
    ],
    [
      'Error: webgpu_context.cc:136 adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters',
      /^no graphics card with a working driver was found$/,
    ],
    [
      'Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open shared object file: No such file or directory',
      /^libcublasLt\.so\.12 was not found$/,
    ],
    [
      'LoadLibrary failed with error 126 "The specified module could not be found." when trying to load "C:\\x\\onnxruntime_providers_cuda.dll"',
      /onnxruntime_providers_cuda\.dll, or a library that it needs, was not found$/,
    ],
    [
      'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version',
      /^the NVIDIA driver is older/,
    ],
  ])('%s', (stderr, reason) => {
    const outcome = judgeProbe('webgpu', { ...failed, stderr });
    expect(outcome).toMatchObject({ runs: false, reason: expect.stringMatching(reason) as string });
  });

  it('tells a crash, a driver that hangs and a wrong product apart', () => {
    const reasonOf = (end: Partial<ProbeEnd>) => judgeProbe('webgpu', { ...failed, ...end });
    expect(reasonOf({ code: null, signal: 'SIGSEGV' })).toMatchObject({
      reason: 'its driver crashed when it was tried (SIGSEGV)',
    });
    expect(reasonOf({ timedOut: true })).toMatchObject({ reason: 'its driver did not answer' });
    expect(reasonOf({ code: 0, stdout: '[0,0,0,0]' })).toMatchObject({
      reason: 'its driver gives a wrong product',
    });
  });

  it.each([
    ['SwiftShader Device (Subzero)', '/opt/libvk_swiftshader.so', true],
    ['llvmpipe (LLVM 19.1.0, 256 bits)', '/usr/lib/libvulkan_lvp.so', true],
    ['AMD Radeon RX 7900 XTX (RADV NAVI31)', '/usr/lib/libvulkan_radeon.so', false],
  ])('knows the card %s', (name, library, software) => {
    const stderr = `DRIVER | LAYER:           Using "${name}" with driver: "${library}"`;
    const outcome = judgeProbe('webgpu', { ...failed, code: 0, stdout: right, stderr });
    expect(outcome).toMatchObject({ runs: true, adapter: { name, software } });
  });

  it('runs where the loader says nothing, with an unknown card', () => {
    const outcome = judgeProbe('webgpu', { ...failed, code: 0, stdout: right });
    expect(outcome).toEqual({ runs: true, adapter: undefined });
  });
});

it('names the library of CUDA that is not there, and tries nothing then', async () => {
  const folder = await temporaryFolder();
  const supported = [{ name: 'cuda' }];
  await mkdir(folder, { recursive: true });
  expect(missingForProvider('cuda', supported, folder)).toMatch(
    /^libonnxruntime_providers_shared\.so was not found/,
  );
  await writeFile(join(folder, 'libonnxruntime_providers_shared.so'), '');
  const missing = missingForProvider('cuda', supported, folder);
  expect(missing).toMatch(/^libonnxruntime_providers_cuda\.so was not found/);
  await writeFile(join(folder, 'libonnxruntime_providers_cuda.so'), '');
  expect(missingForProvider('cuda', supported, folder)).toBeUndefined();
  expect(missingForProvider('directml', supported, folder)).toBe('it needs Windows');
  const never = () => Promise.reject(new Error('tried'));
  expect(await tryProvider('cuda', never, missing)).toEqual({ runs: false, reason: missing });
});

describe('what providers throw while they compute', () => {
  it.each([
    // Dawn, when a buffer could not be had (SwiftShader, 1 GiB).
    [
      'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.',
      'engine.out_of_memory',
    ],
    [
      'WebGPU validation failed. Buffer size (1310720000) exceeds the max buffer size limit (1073741824).',
      'engine.out_of_memory',
    ],
    [
      'CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; expr=cudaMalloc',
      'engine.out_of_memory',
    ],
    ['[Device] is lost. Device is lost.', 'engine.device_lost'],
    ['vkQueueSubmit failed with VK_ERROR_DEVICE_LOST', 'engine.device_lost'],
    ['887A0005 The GPU device instance has been suspended', 'engine.device_lost'],
    ['CUDA failure 700: an illegal memory access was encountered', 'engine.device_lost'],
  ])('%s', (message, code) => {
    expect(computeFailure(new Error(message), 'X')).toMatchObject({ code });
  });

  it('leaves other errors as they are', () => {
    const error = new Error('Got invalid dimensions for input: x');
    expect(computeFailure(error, 'X')).toBe(error);
  });
});

it('says of a card in software that it is none', () => {
  const adapter = { name: 'SwiftShader', driver: 'libvk_swiftshader.so', software: true };
  expect(describeEngine({ title: 'ONNX Runtime', adapter })).toBe(
    'ONNX Runtime on SwiftShader (driver libvk_swiftshader.so): software rendering, slower than the CPU',
  );
});
