/** An ONNX file on disk as anybody else would run it: nothing of our programs is known here. */
import * as ort from 'onnxruntime-node';
import type { Tensor } from '../../lib/tensor.ts';

/** Name and shape of an input or output; a named dimension may have any size. */
export interface OnnxSignature {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

export interface OnnxFile {
  readonly inputs: readonly OnnxSignature[];
  readonly outputs: readonly OnnxSignature[];
  /** Runs the model once; returns every output. */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<ReadonlyMap<string, Tensor>>;
  dispose(): Promise<void>;
}

/** Opens the model at `path` with ONNX Runtime on the CPU; throws what the runtime throws. */
export async function openOnnxFile(
  path: string,
  { threads }: { readonly threads: number },
): Promise<OnnxFile> {
  const session = await ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const run: OnnxFile['run'] = async (inputs) => {
    const feeds: Record<string, ort.Tensor> = {};
    for (const [name, { data, shape }] of Object.entries(inputs)) {
      feeds[name] = new ort.Tensor('float32', data, shape);
    }
    const results = new Map<string, Tensor>();
    for (const [name, output] of Object.entries(await session.run(feeds))) {
      if (output.type !== 'float32') throw new Error(`"${name}" is not fp32`);
      results.set(name, { shape: output.dims, data: output.data as Float32Array });
    }
    return results;
  };
  return {
    inputs: session.inputMetadata.map(signature),
    outputs: session.outputMetadata.map(signature),
    run,
    dispose: () => session.release(),
  };
}

function signature(metadata: ort.InferenceSession.ValueMetadata): OnnxSignature {
  return { name: metadata.name, shape: metadata.isTensor ? metadata.shape : [] };
}
