/** A session of ONNX Runtime for matrix products that use one another's results. */
import * as ort from 'onnxruntime-node';
import type { ChainStep } from '../linear/single.ts';
import { attributeType, elementType, encodeModel, irVersion, opset } from './proto.ts';

interface GemmSession {
  /** In order; the result of the last is the output. */
  readonly steps: readonly ChainStep[];
  readonly inputs: readonly string[];
  readonly type: 'float' | 'double';
  /** Work on one product. */
  readonly threads: number;
}

/** A node for each step, with every dimension left open. */
export function createSession({
  steps,
  inputs,
  type,
  threads,
}: GemmSession): Promise<ort.InferenceSession> {
  const matrix = (name: string) => ({
    name,
    type: {
      tensorType: {
        elemType: elementType[type],
        shape: { dim: [{ dimParam: `rows of ${name}` }, { dimParam: `columns of ${name}` }] },
      },
    },
  });
  const model = encodeModel({
    irVersion,
    producerName: 'mergewright',
    producerVersion: '0.1.0',
    docString: '',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: [],
    graph: {
      name: 'products',
      docString: '',
      initializer: [],
      node: steps.map(gemm),
      input: inputs.map(matrix),
      output: steps.slice(-1).map(({ result }) => matrix(result)),
    },
  });
  return ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // Shapes change from call to call: nothing to plan ahead.
    enableMemPattern: false,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

function gemm(step: ChainStep) {
  const { result, a, b, transposeA = false, transposeB = false, alpha = 1, plus, beta = 1 } = step;
  const flag = (name: string, value: boolean) => ({
    name,
    type: attributeType.int,
    i: value ? 1 : 0,
  });
  const factor = (name: string, f: number) => ({ name, type: attributeType.float, f });
  return {
    opType: 'Gemm',
    name: result,
    input: plus === undefined ? [a, b] : [a, b, plus],
    output: [result],
    attribute: [
      flag('transA', transposeA),
      flag('transB', transposeB),
      factor('alpha', alpha),
      factor('beta', beta),
    ],
  };
}
