/** The execution providers of ONNX Runtime that compute on a graphics card, and what each needs to be there. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as ort from 'onnxruntime-node';

export const gpuProviders = ['webgpu', 'cuda', 'directml', 'coreml'] as const;
export type GpuProvider = (typeof gpuProviders)[number];

interface ProviderRecord {
  readonly title: string;
  /** As ONNX Runtime calls it. */
  readonly backend: string;
  /** Where it exists. */
  readonly needs: string;
  /** Shared libraries that must lie beside ONNX Runtime's own. */
  readonly libraries: readonly string[];
}

const records: Record<GpuProvider, ProviderRecord> = {
  webgpu: {
    title: 'WebGPU',
    backend: 'webgpu',
    needs: 'a 64-bit build of ONNX Runtime with WebGPU',
    libraries: [],
  },
  cuda: {
    title: 'CUDA',
    backend: 'cuda',
    needs: 'Linux on x64',
    libraries: ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'],
  },
  directml: { title: 'DirectML', backend: 'dml', needs: 'Windows', libraries: [] },
  coreml: { title: 'Core ML', backend: 'coreml', needs: 'macOS', libraries: [] },
};

const packageFile = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');

/** Where ONNX Runtime's libraries for this machine lie. */
const libraryFolder = join(dirname(packageFile), 'bin', 'napi-v6', process.platform, process.arch);

export function providerTitle(provider: GpuProvider): string {
  return records[provider].title;
}

/** A provider as ONNX Runtime calls it. */
export function backendOf(provider: GpuProvider): string {
  return records[provider].backend;
}

/** What keeps a provider from being tried at all, in words; undefined when nothing does. */
export function missingForProvider(
  provider: GpuProvider,
  supported: readonly { readonly name: string }[] = ort.listSupportedBackends(),
  folder = libraryFolder,
): string | undefined {
  const { backend, needs, libraries } = records[provider];
  if (!supported.some(({ name }) => name === backend)) return `it needs ${needs}`;
  const missing = libraries.find((library) => !existsSync(join(folder, library)));
  if (missing === undefined) return undefined;
  return `${missing} was not found beside ONNX Runtime; "npm rebuild onnxruntime-node --ignore-scripts=false" downloads it`;
}
