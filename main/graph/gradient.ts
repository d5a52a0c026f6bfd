import { Builder } from './builder.ts';
import type { Program, Value } from './program.ts';
import { vjp } from './vjp.ts';

/** Name of the result that holds the gradient with respect to parameter `name`. */
export function gradientName(name: string): string {
  return `gradient/${name}`;
}

/**
 * Reverse-mode differentiation: `program` with one more result per name of `withRespectTo`, the
 * gradient of the scalar result `of` with respect to that parameter, in the parameter's shape.
 * Batch-generic reshapes become specific, so the new program runs at its nominal batch size only.
 */
export function gradient(
  program: Program,
  { of, withRespectTo }: { of: string; withRespectTo: readonly string[] },
): Program {
  const g = Builder.from(program);
  const objective = program.results.find(({ name }) => name === of)?.value;
  if (objective === undefined) throw new Error(`program has no result ${of}`);
  if (g.shape(objective).length !== 0) throw new Error(`${of} is not a scalar`);

  const sources = withRespectTo.map((name) => {
    const parameter = program.parameters.find((candidate) => candidate.name === name);
    if (parameter === undefined) throw new Error(`program has no parameter ${name}`);
    return parameter;
  });

  const active = new Set<Value>(sources.map(({ value }) => value));
  for (const { inputs, output } of program.equations) {
    if (inputs.some((input) => active.has(input))) active.add(output);
  }

  const cotangents = new Map<Value, Value>([[objective, g.fill(1)]]);
  for (const { op, inputs, attributes, output } of [...program.equations].reverse()) {
    const cotangent = cotangents.get(output);
    if (cotangent === undefined || !active.has(output)) continue;
    inputs.forEach((input, index) => {
      if (!active.has(input)) return;
      const part = vjp(op, { g, inputs, output, cotangent, attributes }, index);
      const sum = cotangents.get(input);
      cotangents.set(input, sum === undefined ? part : g.add(sum, part));
    });
  }

  const results = Object.fromEntries(program.results.map(({ name, value }) => [name, value]));
  for (const { name, value } of sources) {
    results[gradientName(name)] = cotangents.get(value) ?? g.fill(0, g.shape(value));
  }
  return { ...g.build(`${program.name} gradient`, results), batchInputs: [] };
}
