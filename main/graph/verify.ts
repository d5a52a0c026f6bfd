import { inferShape } from './ops.ts';
import type { Program, Value } from './program.ts';
import { shapeOf } from './program.ts';

/**
 * Checks that a program is well formed: every value is defined exactly once and before its use, every
 * recorded shape is the one its operation gives, names are unique. Throws an Error that names the
 * offending equation: a malformed program is a bug, never bad user input.
 */
export function verify(program: Program): void {
  const defined = new Set<Value>();
  const define = (value: Value, where: string) => {
    if (defined.has(value)) throw new Error(`${where}: %${String(value)} is defined twice`);
    shapeOf(program, value);
    defined.add(value);
  };
  const use = (value: Value, where: string) => {
    if (!defined.has(value))
      throw new Error(`${where}: %${String(value)} is used before it is defined`);
  };

  const names = new Set<string>();
  for (const { name, value } of program.parameters) {
    if (names.has(name)) throw new Error(`parameter "${name}" is declared twice`);
    names.add(name);
    define(value, `parameter "${name}"`);
  }
  for (const { op, inputs, attributes, output } of program.equations) {
    const where = `%${String(output)} = ${op}`;
    for (const input of inputs) use(input, where);
    define(output, where);
    const inferred = inferShape(
      op,
      inputs.map((input) => shapeOf(program, input)),
      attributes,
    );
    const recorded = shapeOf(program, output);
    if (inferred.join() !== recorded.join()) {
      throw new Error(
        `${where}: shape is [${recorded.join(', ')}], must be [${inferred.join(', ')}]`,
      );
    }
  }
  const given = new Set<string>();
  for (const { name, value } of program.results) {
    if (given.has(name)) throw new Error(`result "${name}" is given twice`);
    given.add(name);
    use(value, `result "${name}"`);
  }
  for (const name of program.batchInputs) {
    const parameter = program.parameters.find((candidate) => candidate.name === name);
    if (parameter === undefined) throw new Error(`batch input "${name}" is not a parameter`);
    if (parameter.kind === 'constant') throw new Error(`batch input "${name}" is a constant`);
    if (shapeOf(program, parameter.value).length === 0) {
      throw new Error(`batch input "${name}" has no leading dimension`);
    }
  }
}
