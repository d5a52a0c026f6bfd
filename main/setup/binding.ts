/**
 * Builds the binding of TensorFlow.js to TensorFlow's C interface. It is two C++ files against Node-API, which is the
 * same in every Node and Electron, so the compiler is called without node-gyp: that would fetch Node's headers, and
 * needs Python.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AppError, throwIfCancelled } from '../lib/errors.ts';

const run = promisify(execFile);

/** Highest version of Node-API that Node 20 and the binding both have. */
const nodeApiVersion = 8;

const compilerFlags = [
  '-std=c++17',
  '-O2',
  '-fPIC',
  `-DNAPI_VERSION=${String(nodeApiVersion)}`,
  // Electron's V8 accepts no memory from outside its own cage: a binding that hands some over is not built.
  '-DNODE_API_NO_EXTERNAL_BUFFERS_ALLOWED',
];

/** A library that Node loads: its Node-API comes from the program, the others from its own folder. */
const linkerFlags: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: ['-shared', '-Wl,-rpath,$ORIGIN'],
  darwin: ['-bundle', '-undefined', 'dynamic_lookup', '-Wl,-rpath,@loader_path'],
};

const compilerPackages: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux:
    'install the package g++ (Debian, Ubuntu: "apt install g++"), gcc-c++ (Fedora, openSUSE) or gcc (Arch)',
  darwin: 'install Apple’s command line tools with "xcode-select --install"',
};

/** The C++ compiler: that of CXX, or the first that answers. Throws `engine.compiler_missing`. */
export async function findCompiler(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string> {
  const named = env['CXX'] ?? '';
  const candidates = named === '' ? ['g++', 'c++', 'clang++'] : [named];
  for (const candidate of candidates) {
    const answers = await run(candidate, ['--version'], { env: { ...env } }).then(
      () => true,
      () => false,
    );
    if (answers) return candidate;
  }
  throw new AppError('engine.compiler_missing', {
    what: `building the binding to TensorFlow needs a C++ compiler, and ${candidates.join(', ')} ${candidates.length > 1 ? 'are' : 'is'} not here`,
    hint: compilerPackages[process.platform] ?? 'install one, or name it in CXX',
  });
}

export interface BindingOrder {
  readonly compiler: string;
  /** The package that brings the sources of the binding. */
  readonly packageFolder: string;
  /** TensorFlow's headers. */
  readonly headers: string;
  readonly libraries: readonly string[];
  /** For what the compiler reads: it cannot look into an application's archive. */
  readonly scratch: string;
  readonly output: string;
}

/** Throws `engine.build_failed` with the compiler's first complaint, and CancelledError. */
export async function buildBinding(order: BindingOrder, signal?: AbortSignal): Promise<void> {
  const sources = join(order.scratch, 'binding');
  const nodeHeaders = join(order.scratch, 'node');
  await copyFiles(join(order.packageFolder, 'binding'), sources);
  const headersPackage = createRequire(import.meta.url).resolve('node-api-headers/package.json');
  await copyFiles(join(dirname(headersPackage), 'include'), nodeHeaders);
  const units = (await readdir(sources)).filter((name) => name.endsWith('.cc')).sort();
  const flags = [
    ...compilerFlags,
    ...[nodeHeaders, order.headers].flatMap((folder) => ['-I', folder]),
    ...units.map((name) => join(sources, name)),
    ...order.libraries,
    ...(linkerFlags[process.platform] ?? []),
    '-o',
    order.output,
  ];
  try {
    await run(order.compiler, flags, { ...(signal && { signal }), maxBuffer: 64 * 1024 * 1024 });
  } catch (cause) {
    throwIfCancelled(signal);
    const told = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : '';
    const complaint = told.split('\n').find((line) => /error|cannot|undefined/i.test(line));
    throw new AppError('engine.build_failed', {
      what: `${order.compiler} could not build the binding to TensorFlow: ${complaint ?? 'it gave no reason'}`,
      hint: 'update the compiler, or name another one in CXX',
      cause,
    });
  }
}

/** The files of a folder without its subfolders. */
async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isFile()) {
      await writeFile(join(to, entry.name), await readFile(join(from, entry.name)));
    }
  }
}
