import type { Program, Value } from './program.ts';
import { shapeOf } from './program.ts';

/** An attribute as text; unlike plain JSON it tells −0 from 0 and NaN from infinity. */
export function attributeText(setting: unknown): string {
  return JSON.stringify(setting, (_key, value: unknown) =>
    typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
      ? `number ${Object.is(value, -0) ? '-0' : String(value)}`
      : value,
  );
}

/**
 * One line per parameter, equation and result. Two programs with the same text compute the same
 * values, so the text is also what sessions are cached by.
 */
export function printProgram(program: Program): string {
  const type = (value: Value) => `f32[${shapeOf(program, value).join(', ')}]`;
  const lines = [`program ${JSON.stringify(program.name)}`];
  for (const { name, kind, value } of program.parameters) {
    const batch = program.batchInputs.includes(name) ? ' batch' : '';
    lines.push(`  %${String(value)} = ${kind}${batch} ${JSON.stringify(name)} : ${type(value)}`);
  }
  for (const { op, inputs, attributes, output } of program.equations) {
    const settings = Object.entries(attributes)
      .map(([name, setting]) => ` ${name}=${attributeText(setting)}`)
      .join('');
    const names = inputs.map((input) => `%${String(input)}`).join(', ');
    lines.push(`  %${String(output)} = ${op}(${names})${settings} : ${type(output)}`);
  }
  for (const { name, value } of program.results) {
    lines.push(`  return ${JSON.stringify(name)} %${String(value)} : ${type(value)}`);
  }
  return `${lines.join('\n')}\n`;
}
