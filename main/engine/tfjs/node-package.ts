/**
 * Loads the kernels of @tensorflow/tfjs-node without its own entry, which looks for the native part inside
 * node_modules and brings 140 MB of TensorFlow.js that the kernels do not need. Its files are CommonJS and ask for two
 * modules that are given to them here instead: @tensorflow/tfjs (the core has all that they use, and must be the one
 * that registers backends), and util, from which Node 23 took what they call. Nothing global is changed.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import nodeUtil from 'node:util';
import { compileFunction } from 'node:vm';

/** The part of its exports that an engine needs. */
export interface NodePackage {
  /** A backend on a binding; `name` is the package that it acts as. */
  readonly NodeJSKernelBackend: new (binding: unknown, name: string) => object;
}

/** Deprecated long ago, and removed one after the other; the kernels call them as they were documented. */
const removed = {
  isArray: Array.isArray,
  isNullOrUndefined: (value: unknown): boolean => value === null || value === undefined,
};

/** Node's own module, with what it no longer has. */
export function utilWithRemoved(util: object = nodeUtil): object {
  return { ...removed, ...util };
}

type Exports = Record<string, unknown>;
type Substitutes = ReadonlyMap<string, unknown>;

/** The exports of a CommonJS file; modules named in `substitutes` are taken from there, whoever asks for them. */
export function loadCommonJs(
  file: string,
  substitutes: Substitutes,
  loaded = new Map<string, { exports: Exports }>(),
): Exports {
  const known = loaded.get(file);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(file, module);
  const { resolve, ...rest } = resolverFrom(file);
  const require = (name: string): unknown => {
    if (substitutes.has(name)) return substitutes.get(name);
    if (name.startsWith('.')) return loadCommonJs(resolve(name), substitutes, loaded);
    return rest.require(name);
  };
  const code = readFileSync(file, 'utf8');
  const run = compileFunction(code, ['exports', 'require', 'module'], { filename: file }) as (
    ...given: readonly unknown[]
  ) => void;
  run(module.exports, require, module);
  return module.exports;
}

function resolverFrom(file: string): {
  resolve: (name: string) => string;
  require: (name: string) => unknown;
} {
  const require = createRequire(file);
  return { resolve: (name) => require.resolve(name), require: (name) => require(name) as unknown };
}

/** Registers the kernels of the package in `folder` with TensorFlow.js's core. */
export function loadNodePackage(folder: string): NodePackage {
  // As CommonJS: the very object whose registry the kernels write to.
  const core: unknown = createRequire(import.meta.url)('@tensorflow/tfjs-core');
  const substitutes = new Map([
    ['@tensorflow/tfjs', core],
    ['util', utilWithRemoved()],
  ]);
  const loaded = new Map<string, { exports: Exports }>();
  loadCommonJs(`${folder}/dist/register_all_kernels.js`, substitutes, loaded);
  const backend = loadCommonJs(`${folder}/dist/nodejs_kernel_backend.js`, substitutes, loaded);
  return backend as unknown as NodePackage;
}
