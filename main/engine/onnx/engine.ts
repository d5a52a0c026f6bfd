import { createRequire } from 'node:module';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { Program } from '../../graph/program.ts';
import { writing } from '../../lib/durable-file.ts';
import { AppError } from '../../lib/errors.ts';
import { storedValues, type Tensor } from '../../lib/tensor.ts';
import { storedTensorsFor, tensorsFor } from '../check-inputs.ts';
import {
  precisionOf,
  type Adapter,
  type Engine,
  type EngineDescription,
  type Executable,
  type Storage,
} from '../engine.ts';
import { modelFor, type OnnxOptimisation } from './compilation.ts';
import { keepDevice, letDeviceGo } from './device-keeper.ts';
import { computeFailure } from './failures.ts';
import { encodeProgram, layOutExternally, type ExternalRange } from './model.ts';
import { backendOf, providerTitle, type GpuProvider } from './providers.ts';

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as {
  version: string;
};

// What fails is thrown, and a full card would write hundreds of lines beside that.
ort.env.logLevel = 'fatal';

export interface OnnxOptions {
  /** Threads within one operation; the same number gives the same bytes on every run. */
  readonly threads?: number;
  /** Constants above this many bytes in all go through a mapped file instead of a protobuf message. */
  readonly inlineLimit?: number;
  /** Where it computes; on the processor unless it says so. */
  readonly on?: OnnxDevice;
  /** Says that constants are handed over in fp16; what they are multiplied with and summed in is fp32. */
  readonly storage?: Storage;
  /** What is not done to programs, so that a benchmark sees its worth. */
  readonly without?: ReadonlySet<OnnxOptimisation>;
  /** Where the runtime writes what every node took, when an executable is disposed of; adds a date and .json. */
  readonly profile?: string;
}

export interface OnnxDevice {
  readonly provider: GpuProvider;
  readonly adapter: Adapter | undefined;
}

/** What programs are compiled for. */
interface Target {
  readonly title: string;
  readonly encode: (
    program: Program,
    constants: ReadonlyMap<string, Tensor>,
    ranges?: ReadonlyMap<string, ExternalRange>,
  ) => Uint8Array;
  readonly options: ort.InferenceSession.SessionOptions;
}

/**
 * ONNX Runtime, on the processor or by one of its providers. Constants are initializers of the session, so a provider
 * puts them on its device once; inputs go there and results come back at every run, and all of them are wanted by the
 * caller: there is nothing to leave on the device in between.
 */
export function createOnnxEngine({
  threads = availableParallelism(),
  inlineLimit = 256 * 2 ** 20,
  on,
  storage,
  without,
  profile,
}: OnnxOptions = {}): Engine {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: [on === undefined ? 'cpu' : backendOf(on.provider)],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    // Waiting threads that spin take the cores from everything else (three times the CPU time of a
    // step on a busy two-core machine), the window included.
    extra: {
      session: { intra_op: { allow_spinning: '0' } },
      // It would make one of all widenings of a constant, whose values in fp32 then live from the forward pass to the
      // backward one. Programs have no common subexpressions of their own.
      ...(storage === 'fp16' && {
        optimization: { disable_specified_optimizers: 'CommonSubexpressionElimination' },
      }),
    },
    ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: profile }),
  };
  const description = describe(threads, storage, on);
  const provider = on?.provider ?? 'cpu';
  const target: Target = {
    title: description.title,
    encode: (program, constants, ranges) =>
      encodeProgram(program, constants, ranges, modelFor(provider, program, without)),
    options,
  };
  return {
    description,
    compile: async (program, constants) => {
      const tensors = storedTensorsFor(program, 'constant', constants);
      await keepDevice(on?.provider, options);
      let bytes = 0;
      for (const tensor of tensors.values()) bytes += storedValues(tensor).byteLength;
      if (bytes > inlineLimit) return compileFromFile(program, tensors, target);
      const session = await createSession(target.encode(program, tensors), target);
      return {
        run: (inputs) => runSession(program, session, inputs, target),
        dispose: () => release(session, target),
      } satisfies Executable;
    },
  };
}

function describe(
  threads: number,
  storage: Storage | undefined,
  on: OnnxDevice | undefined,
): EngineDescription {
  const common = { precision: precisionOf(storage), threads } as const;
  const title = `ONNX Runtime ${version}`;
  if (on === undefined) return { id: 'onnx', title, device: 'cpu', ...common };
  return {
    id: `onnx-${on.provider}`,
    title: `${title}, ${providerTitle(on.provider)}`,
    device: 'gpu',
    ...common,
    ...(on.adapter && { adapter: on.adapter }),
  };
}

/** A device may refuse the constants already. */
async function createSession(
  model: Uint8Array | string,
  { options, title }: Target,
): Promise<ort.InferenceSession> {
  try {
    return await (typeof model === 'string'
      ? ort.InferenceSession.create(model, options)
      : ort.InferenceSession.create(model, options));
  } catch (error) {
    throw computeFailure(error, title);
  }
}

/** The runtime maps the weight file, so it can mostly be removed as soon as the session exists. */
async function compileFromFile(
  program: Program,
  constants: ReadonlyMap<string, Tensor>,
  target: Target,
): Promise<Executable> {
  const prefix = join(tmpdir(), `mergewright-session-${String(process.pid)}-`);
  const folder = await writing(prefix, mkdtemp(prefix));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const ranges = layOutExternally('weights.bin', constants);
    const weights = join(folder, 'weights.bin');
    await writing(weights, writeConstants(weights, constants, ranges));
    const path = join(folder, 'model.onnx');
    await writing(path, writeFile(path, target.encode(program, constants, ranges)));
    const session = await createSession(path, target);
    return {
      run: (inputs) => runSession(program, session, inputs, target),
      dispose: async () => {
        await release(session, target);
        await remove();
      },
    };
  } finally {
    // Windows keeps a mapped file; `dispose` then removes it.
    await remove().catch(() => undefined);
  }
}

function release(session: ort.InferenceSession, { options }: Target): Promise<void> {
  if (options.enableProfiling === true) session.endProfiling();
  return session.release();
}

async function writeConstants(
  path: string,
  constants: ReadonlyMap<string, Tensor>,
  ranges: ReadonlyMap<string, ExternalRange>,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const [name, tensor] of constants) {
      const data = storedValues(tensor);
      const start = ranges.get(name)?.offset ?? 0;
      // The system may write less than asked for.
      for (let done = 0; done < data.byteLength;) {
        const rest = new Uint8Array(data.buffer, data.byteOffset + done, data.byteLength - done);
        done += (await file.write(rest, 0, rest.length, start + done)).bytesWritten;
      }
    }
  } finally {
    await file.close();
  }
}

async function runSession(
  program: Program,
  session: ort.InferenceSession,
  inputs: Readonly<Record<string, Tensor>>,
  { title }: Target,
): Promise<Record<string, Tensor>> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, { data, shape }] of tensorsFor(program, 'input', inputs)) {
    feeds[name] = new ort.Tensor('float32', data, shape);
  }
  const outputs = await session.run(feeds).catch(async (error: unknown) => {
    const failure = computeFailure(error, title);
    if (failure instanceof AppError && failure.code === 'engine.out_of_memory') await letDeviceGo();
    throw failure;
  });
  return Object.fromEntries(
    program.results.map(({ name }) => {
      const output = outputs[name];
      if (output?.type !== 'float32') throw new Error(`ONNX Runtime returned no "${name}"`);
      return [name, { shape: output.dims, data: output.data as Float32Array }];
    }),
  );
}
