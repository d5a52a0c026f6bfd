import { createRequire } from 'node:module';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { Program } from '../../graph/program.ts';
import { writing } from '../../lib/durable-file.ts';
import type { Tensor } from '../../lib/tensor.ts';
import { tensorsFor } from '../check-inputs.ts';
import type { Engine, Executable } from '../engine.ts';
import { encodeProgram, layOutExternally, type ExternalRange } from './model.ts';

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as {
  version: string;
};

export interface OnnxOptions {
  /** Threads within one operation; the same number gives the same bytes on every run. */
  readonly threads?: number;
  /** Constants above this many bytes in all go through a mapped file instead of a protobuf message. */
  readonly inlineLimit?: number;
}

/** ONNX Runtime on the CPU: the default engine where there is no GPU. */
export function createOnnxEngine({
  threads = availableParallelism(),
  inlineLimit = 256 * 2 ** 20,
}: OnnxOptions = {}): Engine {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    // Waiting threads that spin take the cores from everything else (three times the CPU time of a
    // step on a busy two-core machine), the window included.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
  return {
    description: {
      id: 'onnx',
      title: `ONNX Runtime ${version}`,
      device: 'cpu',
      precision: 'fp32',
      threads,
    },
    compile: async (program, constants) => {
      const tensors = tensorsFor(program, 'constant', constants);
      let bytes = 0;
      for (const { data } of tensors.values()) bytes += data.byteLength;
      if (bytes > inlineLimit) return compileFromFile(program, tensors, options);
      const session = await ort.InferenceSession.create(encodeProgram(program, tensors), options);
      return {
        run: (inputs) => runSession(program, session, inputs),
        dispose: () => session.release(),
      } satisfies Executable;
    },
  };
}

/** The runtime maps the weight file, so it can mostly be removed as soon as the session exists. */
async function compileFromFile(
  program: Program,
  constants: ReadonlyMap<string, Tensor>,
  options: ort.InferenceSession.SessionOptions,
): Promise<Executable> {
  const prefix = join(tmpdir(), `mergewright-session-${String(process.pid)}-`);
  const folder = await writing(prefix, mkdtemp(prefix));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const ranges = layOutExternally('weights.bin', constants);
    const weights = join(folder, 'weights.bin');
    await writing(weights, writeConstants(weights, constants, ranges));
    const path = join(folder, 'model.onnx');
    await writing(path, writeFile(path, encodeProgram(program, constants, ranges)));
    const session = await ort.InferenceSession.create(path, options);
    return {
      run: (inputs) => runSession(program, session, inputs),
      dispose: async () => {
        await session.release();
        await remove();
      },
    };
  } finally {
    // Windows keeps a mapped file; `dispose` then removes it.
    await remove().catch(() => undefined);
  }
}

async function writeConstants(
  path: string,
  constants: ReadonlyMap<string, Tensor>,
  ranges: ReadonlyMap<string, ExternalRange>,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const [name, { data }] of constants) {
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
): Promise<Record<string, Tensor>> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, { data, shape }] of tensorsFor(program, 'input', inputs)) {
    feeds[name] = new ort.Tensor('float32', data, shape);
  }
  const outputs = await session.run(feeds);
  return Object.fromEntries(
    program.results.map(({ name }) => {
      const output = outputs[name];
      if (output?.type !== 'float32') throw new Error(`ONNX Runtime returned no "${name}"`);
      return [name, { shape: output.dims, data: output.data as Float32Array }];
    }),
  );
}
