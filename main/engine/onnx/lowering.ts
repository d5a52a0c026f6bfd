/** From equations to ONNX nodes (opset 18): one row per operation. */
import type { OpAttributes, OpName, Reduction } from '../../graph/ops.ts';
import type { Shape } from '../../graph/program.ts';
import { attributeType, elementType, type AttributeProto, type NodeProto } from './proto.ts';
import type { TensorProto } from './proto.ts';

/** Collects the nodes and small constants of a graph under construction. */
export class NodeEmitter {
  private readonly body: NodeProto[] = [];
  private readonly widenings: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  /** Stands behind the name of every node from now on, so that a profile tells what it is of. */
  origin = '';
  private readonly known = new Map<string, string>();
  private count = 0;

  /**
   * Every use widens a constant in fp16 for itself, so that its fp32 values live as long as one product. The runtime
   * visits inputs from the last node to the first, and runs what it visits first first: widenings stand before all
   * else, and each runs right before its use.
   */
  get nodes(): readonly NodeProto[] {
    return [...this.widenings, ...this.body];
  }

  /** Appends a node and returns the name of its output. */
  emit(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, AttributeSetting>> = {},
  ): string {
    const node = this.node(opType, input, attributes);
    this.body.push(node);
    return node.output[0];
  }

  /** fp32 values of an fp16 tensor; returns their name. */
  widen(input: string): string {
    const node = this.node('Cast', [input], { to: elementType.float });
    this.widenings.push(node);
    return node.output[0];
  }

  /** Gives a value the name of a result. */
  result(input: string, name: string): void {
    const output = [name] as const;
    this.body.push({
      opType: 'Identity',
      name: `result_${name}`,
      input: [input],
      output,
      attribute: [],
    });
  }

  private node(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, AttributeSetting>>,
  ): NodeProto & { readonly output: readonly [string] } {
    const output = `v${String(this.count++)}`;
    const attribute = Object.entries(attributes).map(([name, value]) => toAttribute(name, value));
    const name = `${opType}_${output}${this.origin}`;
    return { opType, name, input, output: [output], attribute };
  }

  ints(values: readonly number[]): string {
    return this.literal(`i64:${values.join()}`, {
      dims: [values.length],
      dataType: elementType.int64,
      rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
    });
  }

  scalar(value: number): string {
    return this.literal(`f32:${Object.is(value, -0) ? '-0' : String(value)}`, {
      dims: [],
      dataType: elementType.float,
      rawData: new Uint8Array(Float32Array.of(value).buffer),
    });
  }

  private literal(key: string, tensor: Omit<TensorProto, 'name'>): string {
    const existing = this.known.get(key);
    if (existing !== undefined) return existing;
    const name = `literal${String(this.known.size)}`;
    this.known.set(key, name);
    this.initializers.push({ name, ...tensor });
    return name;
  }
}

type AttributeSetting = number | readonly number[] | { readonly float: number };

function toAttribute(name: string, value: AttributeSetting): AttributeProto {
  if (typeof value === 'number') return { name, type: attributeType.int, i: value };
  if ('float' in value) return { name, type: attributeType.float, f: value.float };
  return { name, type: attributeType.ints, ints: value };
}

interface Context<Attributes> {
  readonly to: NodeEmitter;
  /** Names of the input values. */
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
  /** Nominal shapes of inputs and output. */
  readonly shapes: readonly Shape[];
  readonly shape: Shape;
}

type Lowering<Attributes> = (context: Context<Attributes>) => string;

/** What a provider wants lowered otherwise. */
export type Overrides = { readonly [Name in OpName]?: Lowering<OpAttributes[Name]> };

function node(opType: string): Lowering<unknown> {
  return ({ to, inputs }) => to.emit(opType, inputs);
}

function lastAxis(opType: string): Lowering<unknown> {
  return ({ to, inputs }) => to.emit(opType, inputs, { axis: -1 });
}

function reduction(opType: string): Lowering<Reduction> {
  return ({ to, inputs, attributes: { axes, keepDims } }) =>
    to.emit(opType, [...inputs, to.ints(axes)], {
      keepdims: keepDims ? 1 : 0,
      noop_with_empty_axes: 1,
    });
}

/**
 * Gemm takes transposition flags and lets the runtime pack a constant right side once. A third input is a row to add,
 * where the right side is a matrix.
 */
function matmul(context: Context<OpAttributes['matmul']>): string {
  const { to, inputs, attributes, shapes, shape } = context;
  const [left = '', right = '', ...row] = inputs;
  const flags = {
    transA: attributes.transposeLeft ? 1 : 0,
    transB: attributes.transposeRight ? 1 : 0,
  };
  const [leftShape = [], rightShape = []] = shapes;
  if (rightShape.length === 2) {
    if (leftShape.length === 2) return to.emit('Gemm', [left, right, ...row], flags);
    const rows = to.emit('Reshape', [left, to.ints([-1, leftShape.at(-1) ?? 1])]);
    const product = to.emit('Gemm', [rows, right, ...row], flags);
    return to.emit('Reshape', [product, to.ints([-1, ...shape.slice(1)])]);
  }
  const swap = leftShape.map((_, axis) => axis);
  swap.push(...swap.splice(-2).reverse());
  const operand = (name: string, transposed: boolean) =>
    transposed ? to.emit('Transpose', [name], { perm: swap }) : name;
  return to.emit('MatMul', [
    operand(left, attributes.transposeLeft),
    operand(right, attributes.transposeRight),
  ]);
}

const lowerings = {
  fill: ({ to, attributes: { shape, value } }) =>
    shape.length === 0 ? to.scalar(value) : to.emit('Expand', [to.scalar(value), to.ints(shape)]),
  add: node('Add'),
  sub: node('Sub'),
  mul: node('Mul'),
  div: node('Div'),
  neg: node('Neg'),
  exp: node('Exp'),
  log: node('Log'),
  sqrt: node('Sqrt'),
  erf: node('Erf'),
  sigmoid: node('Sigmoid'),
  relu: node('Relu'),
  step: ({ to, inputs }) =>
    to.emit('Cast', [to.emit('Greater', [...inputs, to.scalar(0)])], { to: elementType.float }),
  quickGelu: ({ to, inputs: [x = ''] }) =>
    to.emit('Mul', [x, to.emit('Sigmoid', [to.emit('Mul', [x, to.scalar(1.702)])])]),
  matmul,
  sum: reduction('ReduceSum'),
  mean: reduction('ReduceMean'),
  softmax: lastAxis('Softmax'),
  logSoftmax: lastAxis('LogSoftmax'),
  layerNorm: ({ to, inputs, attributes }) =>
    to.emit('LayerNormalization', inputs, { axis: -1, epsilon: { float: attributes.epsilon } }),
  reshape: ({ to, inputs, attributes }) =>
    to.emit('Reshape', [...inputs, to.ints(attributes.shape)]),
  transpose: ({ to, inputs, attributes }) =>
    to.emit('Transpose', inputs, { perm: attributes.permutation }),
  broadcast: ({ to, inputs, attributes }) =>
    to.emit('Expand', [...inputs, to.ints(attributes.shape)]),
  slice: ({ to, inputs, attributes: { axis, start, end } }) =>
    to.emit('Slice', [...inputs, to.ints([start]), to.ints([end]), to.ints([axis])]),
  pad: ({ to, inputs, attributes: { axis, before, after }, shape }) => {
    const at = (size: number) => shape.map((_, index) => (index === axis ? size : 0));
    return to.emit('Pad', [...inputs, to.ints([...at(before), ...at(after)]), to.scalar(0)]);
  },
  concat: ({ to, inputs, attributes }) => to.emit('Concat', inputs, { axis: attributes.axis }),
} satisfies { readonly [Name in OpName]: Lowering<OpAttributes[Name]> };

/** Emits the nodes of one equation; returns the name of its output. */
export function lower(
  op: OpName,
  context: Context<OpAttributes[OpName]>,
  overrides: Overrides = {},
): string {
  return ((overrides[op] ?? lowerings[op]) as Lowering<OpAttributes[OpName]>)(context);
}
