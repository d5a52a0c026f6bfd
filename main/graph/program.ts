/**
 * A tensor program as plain data: a flat list of equations in single-assignment form, fp32 throughout.
 *
 * Programs are written for one nominal batch size. A program whose equations never name the leading
 * dimension (see `reshape` in ops.ts) also runs with any other batch size: `batchInputs` lists the
 * inputs whose leading dimension may then differ from the nominal one, all in the same proportion.
 */
import type { OpAttributes, OpName } from './ops.ts';

export type Shape = readonly number[];

/** Index into `Program.shapes`; every value is defined once, before its first use. */
export type Value = number & { readonly brand: 'Value' };

export interface Equation<Name extends OpName = OpName> {
  readonly op: Name;
  readonly inputs: readonly Value[];
  readonly attributes: OpAttributes[Name];
  readonly output: Value;
}

/**
 * What a program reads. A `constant` is handed to the engine once, when the program is compiled, and
 * stays resident; an `input` travels with every run.
 */
export interface Parameter {
  readonly name: string;
  readonly kind: 'constant' | 'input';
  readonly value: Value;
}

export interface Result {
  readonly name: string;
  readonly value: Value;
}

export interface Program {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly equations: readonly Equation[];
  readonly results: readonly Result[];
  /** Shape of every value at the nominal batch size, by `Value`. */
  readonly shapes: readonly Shape[];
  readonly batchInputs: readonly string[];
}

/** Nominal shape of a value of `program`. */
export function shapeOf(program: Pick<Program, 'shapes'>, value: Value): Shape {
  const shape = program.shapes[value];
  if (shape === undefined) throw new Error(`value %${String(value)} is not defined`);
  return shape;
}
