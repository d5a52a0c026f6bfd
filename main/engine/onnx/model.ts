/** From a program and its constants to an ONNX model, in memory or with the weights in a file beside it. */
import type { Program, Value } from '../../graph/program.ts';
import { shapeOf } from '../../graph/program.ts';
import { isHalf, storedValues, type HalfTensor, type Tensor } from '../../lib/tensor.ts';
import { biasedProducts, type BiasedProduct } from './fusion.ts';
import { lower, NodeEmitter, type Overrides } from './lowering.ts';
import { elementType, encodeModel, externalLocation, irVersion, opset } from './proto.ts';
import type { SparseTensorProto, TensorProto, ValueInfoProto } from './proto.ts';

export interface ModelDescription {
  readonly docString?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  /** One line per input and result, for whoever opens the file elsewhere. */
  readonly help?: ReadonlyMap<string, string>;
  /** Constants of which only the values that are not 0 are written; a reader fills in the others. */
  readonly sparse?: ReadonlySet<string>;
  /** Operations that the provider wants lowered otherwise. */
  readonly overrides?: Overrides;
  /** Constants that the runtime must leave as they are; see streamed.ts. */
  readonly streamed?: ReadonlySet<string>;
  /** Whether every equation becomes nodes of its own; for benchmarks. */
  readonly unfused?: boolean;
}

/** Where a constant's bytes lie in a file beside the model. */
export interface ExternalRange {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** A constant, perhaps without its values, which then lie in another file. */
type Constant = Pick<Tensor, 'shape'> & Partial<HalfTensor>;

const alignment = 4096;

/** Offsets of constants written one after another, each on a page boundary so that it can be mapped. */
export function layOutExternally(
  file: string,
  constants: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, ExternalRange> {
  const ranges = new Map<string, ExternalRange>();
  let offset = 0;
  for (const [name, tensor] of constants) {
    const length = storedValues(tensor).byteLength;
    ranges.set(name, { file, offset, length });
    offset = Math.ceil((offset + length) / alignment) * alignment;
  }
  return ranges;
}

/**
 * The ModelProto of `program`. `constants` become initializers: those named in `external` by
 * reference, the others with their bytes, in fp16 where they are kept so. The leading dimension of batch inputs, and of every
 * result that follows it, is the symbol "batch".
 */
export function encodeProgram(
  program: Program,
  constants: ReadonlyMap<string, Constant>,
  external: ReadonlyMap<string, ExternalRange> = new Map(),
  description: ModelDescription = {},
): Uint8Array {
  const halves = new Set([...constants].flatMap(([name, one]) => (isHalf(one) ? [name] : [])));
  const emitter = lowerProgram(program, { ...description, halves });
  const generic = batchValues(program);
  const valueInfo = (name: string, value: Value): ValueInfoProto => {
    const help = description.help?.get(name);
    const dim = shapeOf(program, value).map((dimValue, axis) =>
      axis === 0 && generic.has(value) ? { dimParam: 'batch' } : { dimValue },
    );
    return {
      name,
      ...(help === undefined ? {} : { docString: help }),
      type: {
        tensorType: {
          elemType: halves.has(name) ? elementType.float16 : elementType.float,
          shape: { dim },
        },
      },
    };
  };

  const { sparse = new Set(), streamed = new Set() } = description;
  const names = program.parameters.flatMap(({ kind, name }) => (kind === 'constant' ? [name] : []));
  const weights = names
    .filter((name) => !sparse.has(name))
    .map((name) => initializer(name, constants.get(name), external.get(name)));
  return encodeModel({
    irVersion,
    producerName: 'mergewright',
    producerVersion: '0.1.0',
    docString: description.docString ?? '',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: [...(description.metadata ?? [])].map(([key, value]) => ({ key, value })),
    graph: {
      name: program.name,
      docString: '',
      node: emitter.nodes,
      initializer: [...weights, ...emitter.initializers],
      sparseInitializer: names
        .filter((name) => sparse.has(name))
        .map((name) => sparseInitializer(name, constants.get(name))),
      input: program.parameters
        // What may be given with every run is not a constant to the runtime: it neither packs nor folds it.
        .filter(({ kind, name }) => kind === 'input' || streamed.has(name) || halves.has(name))
        .map(({ name, value }) => valueInfo(name, value)),
      output: program.results.map(({ name, value }) => valueInfo(name, value)),
    },
  });
}

/** The nodes of `program`; results are named as in the program. */
function lowerProgram(
  program: Program,
  {
    overrides,
    unfused = false,
    halves = new Set(),
  }: Pick<ModelDescription, 'overrides' | 'unfused'> & {
    /** Constants in fp16. */
    readonly halves?: ReadonlySet<string>;
  } = {},
): NodeEmitter {
  const emitter = new NodeEmitter();
  const sums = unfused ? new Map<Value, BiasedProduct>() : biasedProducts(program);
  const withTheirSum = new Set([...sums.values()].map(({ product }) => product.output));
  const names = new Map<Value, string>();
  const narrow = new Set<Value>();
  for (const { name, value } of program.parameters) {
    names.set(value, name);
    if (halves.has(name)) narrow.add(value);
  }
  const read = (value: Value) => {
    const name = names.get(value) ?? '';
    return narrow.has(value) ? emitter.widen(name) : name;
  };
  for (const equation of program.equations) {
    const { output } = equation;
    if (withTheirSum.has(output)) continue;
    const sum = sums.get(output);
    const { op, attributes } = sum?.product ?? equation;
    const inputs = sum === undefined ? equation.inputs : [...sum.product.inputs, sum.bias];
    emitter.origin = `@${String(output)}`;
    const context = {
      to: emitter,
      inputs: inputs.map(read),
      attributes,
      shapes: inputs.map((input) => shapeOf(program, input)),
      shape: shapeOf(program, output),
    };
    const name = lower(op, context, overrides);
    names.set(output, name);
  }
  for (const { name, value } of program.results) {
    emitter.result(read(value), name);
  }
  return emitter;
}

/** The nodes that `program` is lowered to, one line each. */
export function describeLowering(program: Program): string {
  const { nodes } = lowerProgram(program);
  const lines = nodes.map(
    ({ opType, input, output }) => `  ${output.join(', ')} = ${opType}(${input.join(', ')})\n`,
  );
  return `onnx ${program.name}, opset ${opset}\n${lines.join('')}`;
}

function initializer(
  name: string,
  tensor: Constant | undefined,
  range: ExternalRange | undefined,
): TensorProto {
  if (tensor === undefined) throw new Error(`constant "${name}" is missing`);
  const dataType = isHalf(tensor) ? elementType.float16 : elementType.float;
  const common = { name, dims: tensor.shape, dataType };
  if (range !== undefined) {
    const entry = (key: string, value: string | number) => ({ key, value: String(value) });
    return {
      ...common,
      dataLocation: externalLocation,
      externalData: [
        entry('location', range.file),
        entry('offset', range.offset),
        entry('length', range.length),
      ],
    };
  }
  const values = tensor.half ?? tensor.data;
  if (values === undefined) throw new Error(`constant "${name}" has neither bytes nor a place`);
  const { buffer, byteOffset, byteLength } = values;
  return { ...common, rawData: new Uint8Array(buffer, byteOffset, byteLength) };
}

function sparseInitializer(name: string, tensor: Constant | undefined): SparseTensorProto {
  if (tensor?.data === undefined) throw new Error(`constant "${name}" has no values`);
  const { data, shape } = tensor;
  const count = data.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
  const values = new Float32Array(count);
  const indices = new BigInt64Array(count);
  let next = 0;
  data.forEach((value, i) => {
    if (value === 0) return;
    values[next] = value;
    indices[next++] = BigInt(i);
  });
  const bytes = ({ buffer }: ArrayBufferView) => new Uint8Array(buffer);
  const dims = [count];
  return {
    dims: shape,
    values: { name, dims, dataType: elementType.float, rawData: bytes(values) },
    indices: {
      name: `${name}_indices`,
      dims,
      dataType: elementType.int64,
      rawData: bytes(indices),
    },
  };
}

/** Values whose leading dimension is the batch: they depend on a batch input and have its nominal size. */
function batchValues(program: Program): ReadonlySet<Value> {
  const inputs = program.parameters.filter(({ name }) => program.batchInputs.includes(name));
  const sizes = new Set(inputs.map(({ value }) => shapeOf(program, value)[0]));
  const dependent = new Set<Value>(inputs.map(({ value }) => value));
  for (const equation of program.equations) {
    if (equation.inputs.some((input) => dependent.has(input))) dependent.add(equation.output);
  }
  return new Set([...dependent].filter((value) => sizes.has(shapeOf(program, value)[0])));
}
