/** What native TensorFlow is made of on each kind of machine: wheels of the index of Python packages. */
import type { NativeVariant } from '../engine/tfjs/installation.ts';

/** Where a file of an archive goes below `lib` or `include`; a file that no row takes is left out. */
export interface Placement {
  /** The path within the archive. */
  readonly match: RegExp;
  /** `headers` are for building alone, and do not stay. */
  readonly kind: 'library' | 'header';
  /** What of the path is cut off at its beginning. */
  readonly strip: string;
}

export interface WheelNeed {
  readonly project: string;
  /** One version, or all from `atLeast` on and before `below`. */
  readonly version: string | { readonly atLeast: string; readonly below: string };
  readonly placements: readonly Placement[];
}

/** The version whose C interface and kernels the conformance tests of the engines were run on. */
const tensorflowVersion = '2.21.0';

const headers: Placement = {
  // Of 13,000 headers those that the C interface includes.
  match:
    /^tensorflow\/include\/(tensorflow\/c\/|tensorflow\/core\/platform\/ctstring|tsl\/platform\/ctstring|xla\/tsl\/c\/|tsl\/c\/).*\.h$/,
  kind: 'header',
  strip: 'tensorflow/include/',
};

/** Under the names that their run paths look for: as in a Python environment. */
const linuxLibraries: Placement = {
  match: /^tensorflow\/libtensorflow_(cc|framework)\.so\.2$/,
  kind: 'library',
  strip: '',
};
const macLibraries: Placement = {
  match: /^tensorflow\/libtensorflow_(cc|framework)\.2\.dylib$/,
  kind: 'library',
  strip: '',
};
const cudaLibraries: Placement = {
  match: /^nvidia\/.+\.so(\.[\d.]+)?$/,
  kind: 'library',
  strip: '',
};

/** What the wheel asks for under "and-cuda", less what only a compiler of graphs uses. */
const cuda = [
  ['nvidia-cublas-cu12', '12.5.3.2', '13'],
  ['nvidia-cuda-cupti-cu12', '12.5.82', '13'],
  ['nvidia-cuda-nvrtc-cu12', '12.5.82', '13'],
  ['nvidia-cuda-runtime-cu12', '12.5.82', '13'],
  ['nvidia-cudnn-cu12', '9.3.0.75', '10'],
  ['nvidia-cufft-cu12', '11.2.3.61', '12'],
  ['nvidia-curand-cu12', '10.3.6.82', '11'],
  ['nvidia-cusolver-cu12', '11.6.3.83', '12'],
  ['nvidia-cusparse-cu12', '12.5.1.3', '13'],
  ['nvidia-nccl-cu12', '2.27.7', '3'],
  ['nvidia-nvjitlink-cu12', '12.5.82', '13'],
].map(([project = '', atLeast = '', below = '']): WheelNeed => {
  return { project, version: { atLeast, below }, placements: [cudaLibraries] };
});

function tensorflow(project: string, libraries: Placement): WheelNeed {
  return { project, version: tensorflowVersion, placements: [libraries, headers] };
}

/** By platform, architecture and variant; what is not here has no wheel to take libraries from. */
export const wheelNeeds: Readonly<Record<string, readonly WheelNeed[]>> = {
  'linux-x64-cpu': [tensorflow('tensorflow-cpu', linuxLibraries)],
  'linux-x64-gpu': [tensorflow('tensorflow', linuxLibraries), ...cuda],
  'linux-arm64-cpu': [tensorflow('tensorflow', linuxLibraries)],
  'darwin-arm64-cpu': [tensorflow('tensorflow', macLibraries)],
} satisfies Record<`${string}-${string}-${NativeVariant}`, readonly WheelNeed[]>;
