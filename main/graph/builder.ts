/**
 * Writes programs. Equal expressions get one value (value numbering), and what no result needs is
 * dropped by `build`, so programs come out without common subexpressions or dead equations.
 */
import { inferShape, type OpAttributes, type OpName } from './ops.ts';
import { attributeText } from './print.ts';
import type { Equation, Parameter, Program, Shape, Value } from './program.ts';
import { shapeOf } from './program.ts';

const none = {};

export class Builder {
  private readonly equations: Equation[] = [];
  private readonly parameters: Parameter[] = [];
  private readonly shapes: Shape[] = [];
  private readonly numbering = new Map<string, Value>();
  private readonly batchInputs: string[] = [];

  /** A builder that continues `program`; its values keep their numbers. */
  static from(program: Program): Builder {
    const builder = new Builder();
    builder.equations.push(...program.equations);
    builder.parameters.push(...program.parameters);
    builder.shapes.push(...program.shapes);
    builder.batchInputs.push(...program.batchInputs);
    for (const equation of program.equations) builder.numbering.set(key(equation), equation.output);
    return builder;
  }

  shape(value: Value): Shape {
    return shapeOf({ shapes: this.shapes }, value);
  }

  /** A value that travels with every run; `batch` marks its leading dimension as the batch. */
  input(name: string, shape: Shape, options: { batch?: boolean } = {}): Value {
    const known = this.parameters.some((parameter) => parameter.name === name);
    if (known && this.batchInputs.includes(name) !== (options.batch ?? false)) {
      throw new Error(`parameter ${name} is declared twice, differently`);
    }
    if (!known && options.batch) this.batchInputs.push(name);
    return this.parameter(name, 'input', shape);
  }

  /** A value that the engine keeps from compilation on. */
  constant(name: string, shape: Shape): Value {
    return this.parameter(name, 'constant', shape);
  }

  private parameter(name: string, kind: Parameter['kind'], shape: Shape): Value {
    const existing = this.parameters.find((parameter) => parameter.name === name);
    if (existing !== undefined) {
      if (existing.kind !== kind || this.shape(existing.value).join() !== shape.join()) {
        throw new Error(`parameter ${name} is declared twice, differently`);
      }
      return existing.value;
    }
    const value = this.define(shape);
    this.parameters.push({ name, kind, value });
    return value;
  }

  private define(shape: Shape): Value {
    return (this.shapes.push(shape) - 1) as Value;
  }

  apply<Name extends OpName>(
    op: Name,
    inputs: readonly Value[],
    attributes: OpAttributes[Name],
  ): Value {
    const name = key({ op, inputs, attributes });
    const known = this.numbering.get(name);
    if (known !== undefined) return known;
    const output = this.define(
      inferShape(
        op,
        inputs.map((input) => this.shape(input)),
        attributes,
      ),
    );
    this.equations.push({ op, inputs, attributes, output });
    this.numbering.set(name, output);
    return output;
  }

  fill(value: number, shape: Shape = []): Value {
    return this.apply('fill', [], { shape, value });
  }
  add(a: Value, b: Value): Value {
    return this.apply('add', [a, b], none);
  }
  sub(a: Value, b: Value): Value {
    return this.apply('sub', [a, b], none);
  }
  mul(a: Value, b: Value): Value {
    return this.apply('mul', [a, b], none);
  }
  div(a: Value, b: Value): Value {
    return this.apply('div', [a, b], none);
  }
  scale(a: Value, factor: number): Value {
    return this.mul(a, this.fill(factor));
  }
  unary(
    op: 'neg' | 'exp' | 'log' | 'sqrt' | 'erf' | 'sigmoid' | 'relu' | 'step' | 'quickGelu',
    x: Value,
  ): Value {
    return this.apply(op, [x], none);
  }
  softmax(x: Value): Value {
    return this.apply('softmax', [x], none);
  }
  logSoftmax(x: Value): Value {
    return this.apply('logSoftmax', [x], none);
  }
  matmul(
    a: Value,
    b: Value,
    { transposeLeft = false, transposeRight = false }: Partial<OpAttributes['matmul']> = {},
  ): Value {
    return this.apply('matmul', [a, b], { transposeLeft, transposeRight });
  }
  sum(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.apply('sum', [x], { axes, keepDims });
  }
  mean(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.apply('mean', [x], { axes, keepDims });
  }
  layerNorm(x: Value, scale: Value, shift: Value, epsilon: number): Value {
    return this.apply('layerNorm', [x, scale, shift], { epsilon });
  }
  reshape(x: Value, shape: readonly number[]): Value {
    return shape.join() === this.shape(x).join() ? x : this.apply('reshape', [x], { shape });
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    return this.apply('transpose', [x], { permutation });
  }
  broadcast(x: Value, shape: Shape): Value {
    return shape.join() === this.shape(x).join() ? x : this.apply('broadcast', [x], { shape });
  }
  slice(x: Value, axis: number, start: number, end: number): Value {
    return this.apply('slice', [x], { axis, start, end });
  }
  pad(x: Value, axis: number, before: number, after: number): Value {
    return this.apply('pad', [x], { axis, before, after });
  }
  concat(inputs: readonly Value[], axis: number): Value {
    const [only] = inputs;
    return inputs.length === 1 && only !== undefined
      ? only
      : this.apply('concat', inputs, { axis });
  }

  /** The program that computes `results`; unused parameters and equations are left out. */
  build(name: string, results: Readonly<Record<string, Value>>): Program {
    const needed = new Set<Value>(Object.values(results));
    for (const { inputs, output } of [...this.equations].reverse()) {
      if (needed.has(output)) for (const input of inputs) needed.add(input);
    }
    return {
      name,
      parameters: this.parameters.filter(({ value }) => needed.has(value)),
      equations: this.equations.filter(({ output }) => needed.has(output)),
      results: Object.entries(results).map(([resultName, value]) => ({ name: resultName, value })),
      shapes: [...this.shapes],
      batchInputs: this.batchInputs.filter((input) =>
        this.parameters.some((p) => p.name === input && needed.has(p.value)),
      ),
    };
  }
}

function key({ op, inputs, attributes }: Omit<Equation, 'output'>): string {
  return `${op} ${inputs.join()} ${attributeText(attributes)}`;
}
