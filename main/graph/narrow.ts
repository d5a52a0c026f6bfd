/**
 * Computes of every value only the part that results need. An encoder that gives the features of its class token
 * alone needs the last MLP, and without routers the last attention, for one token of each image; a gradient of the
 * narrowed program is as narrow.
 */
import { elementCount } from '../lib/tensor.ts';
import { Builder } from './builder.ts';
import type { OpAttributes, OpName } from './ops.ts';
import type { Equation, Program, Shape, Value } from './program.ts';
import { shapeOf } from './program.ts';

/** Indices `start` to `end` along one axis. */
interface Range {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** What is needed of a value; `whole` is all of it. */
type Need = Range | 'whole';

/** How an equation is computed for a range of its output. */
interface Narrowed {
  /** What it reads of each input. */
  readonly inputs: readonly Need[];
  /** Where the range changes them. */
  readonly attributes?: OpAttributes[OpName];
}

interface Site<Attributes> {
  readonly shapes: readonly Shape[];
  readonly shape: Shape;
  readonly attributes: Attributes;
}

/** Undefined where the operation does not work on each index of that axis by itself. */
type Rule<Attributes> = (range: Range, site: Site<Attributes>) => Narrowed | undefined;

/**
 * The same results as `program`, every value narrowed to the range that is read of it, where that is one range and the
 * operation works on each of its indices by itself.
 */
export function narrow(program: Program): Program {
  const plans = planOf(program);
  const g = new Builder();
  const built = new Map<Value, { readonly value: Value; readonly has: Need }>();
  for (const { name, kind, value } of program.parameters) {
    const shape = shapeOf(program, value);
    const batch = program.batchInputs.includes(name);
    const own = kind === 'constant' ? g.constant(name, shape) : g.input(name, shape, { batch });
    built.set(value, { value: own, has: 'whole' });
  }
  const part = (value: Value, need: Need): Value => {
    const known = built.get(value);
    if (known === undefined) throw new Error(`%${String(value)} is used before it is defined`);
    if (need === 'whole' || same(known.has, need)) return known.value;
    return g.slice(known.value, need.axis, need.start, need.end);
  };
  for (const { op, inputs, attributes, output } of program.equations) {
    const plan = plans.get(output);
    if (plan === undefined) continue;
    const parts = inputs.map((input, i) => part(input, plan.inputs[i] ?? 'whole'));
    const [sliced] = parts;
    const value =
      op === 'slice' && sliced !== undefined
        ? sliced
        : g.apply(op, parts, plan.attributes ?? attributes);
    built.set(output, { value, has: plan.need });
  }
  const results = program.results.map(({ name, value }) => [name, part(value, 'whole')] as const);
  return g.build(program.name, Object.fromEntries(results));
}

/** For the output of each equation that a result depends on: what is computed of it, and from what. */
function planOf(program: Program): ReadonlyMap<Value, Narrowed & { readonly need: Need }> {
  const needs = new Map<Value, Need>(program.results.map(({ value }) => [value, 'whole']));
  const plans = new Map<Value, Narrowed & { readonly need: Need }>();
  for (const equation of [...program.equations].reverse()) {
    const need = needs.get(equation.output);
    if (need === undefined) continue;
    const narrowed = need === 'whole' ? undefined : narrowEquation(program, equation, need);
    const plan = narrowed
      ? { ...narrowed, need }
      : { need: 'whole' as const, inputs: wholly(equation) };
    plans.set(equation.output, plan);
    equation.inputs.forEach((input, i) => {
      const own = plan.inputs[i] ?? 'whole';
      const others = needs.get(input) ?? own;
      needs.set(input, same(others, own) ? own : 'whole');
    });
  }
  return plans;
}

function same(a: Need, b: Need): boolean {
  if (a === 'whole' || b === 'whole') return a === b;
  return a.axis === b.axis && a.start === b.start && a.end === b.end;
}

/** What an equation reads of its inputs when all of its output is needed. */
function wholly({ op, inputs, attributes }: Equation): readonly Need[] {
  return op === 'slice' ? [attributes as OpAttributes['slice']] : inputs.map(() => 'whole');
}

function narrowEquation(
  program: Program,
  { op, inputs, attributes, output }: Equation,
  range: Range,
): Narrowed | undefined {
  const rule = (rules as { readonly [Name in OpName]?: Rule<OpAttributes[OpName]> })[op];
  const shapes = inputs.map((input) => shapeOf(program, input));
  return rule?.(range, { shapes, shape: shapeOf(program, output), attributes });
}

const elementwise: Rule<unknown> = (range) => ({ inputs: [range] });

/** An input that is repeated along the axis is read as a whole. */
const pairwise: Rule<unknown> = ({ axis, ...ends }, { shapes, shape }) => ({
  inputs: shapes.map((input) => {
    const own = axis - shape.length + input.length;
    return own < 0 || (input[own] === 1 && shape[axis] !== 1) ? 'whole' : { axis: own, ...ends };
  }),
});

/** Works along the last axis; further inputs are vectors along it. */
const rowwise: Rule<unknown> = (range, { shapes, shape }) =>
  range.axis === shape.length - 1
    ? undefined
    : { inputs: shapes.map((_, i) => (i === 0 ? range : 'whole')) };

const matmul: Rule<OpAttributes['matmul']> = (range, { shapes, shape, attributes }) => {
  const last = shape.length - 1;
  if (range.axis === last) return undefined;
  if (range.axis === last - 1) {
    const axis = attributes.transposeLeft ? last : last - 1;
    return { inputs: [{ ...range, axis }, 'whole'] };
  }
  return { inputs: [range, shapes[1]?.length === 2 ? 'whole' : range] };
};

/** The axis must be one of the input's too: as long, with as many elements before it. */
const reshape: Rule<OpAttributes['reshape']> = (
  { axis, start, end },
  { shapes: [input = []], shape, attributes },
) => {
  const before = elementCount(shape.slice(0, axis));
  const own = input.findIndex(
    (size, i) => size === shape[axis] && elementCount(input.slice(0, i)) === before,
  );
  // A 0 names the input's size at its own place, which must not be the one that changes elsewhere.
  if (own < 0 || (own !== axis && attributes.shape[own] === 0)) return undefined;
  const target = attributes.shape.map((size, i) => (i === axis && size > 0 ? end - start : size));
  return { inputs: [{ axis: own, start, end }], attributes: { shape: target } };
};

/** Operations without a rule are always computed as a whole. */
const rules: { readonly [Name in OpName]?: Rule<OpAttributes[Name]> } = {
  add: pairwise,
  sub: pairwise,
  mul: pairwise,
  div: pairwise,
  neg: elementwise,
  exp: elementwise,
  log: elementwise,
  sqrt: elementwise,
  erf: elementwise,
  sigmoid: elementwise,
  relu: elementwise,
  step: elementwise,
  quickGelu: elementwise,
  softmax: rowwise,
  logSoftmax: rowwise,
  layerNorm: rowwise,
  matmul,
  transpose: (range, { attributes: { permutation } }) => ({
    inputs: [{ ...range, axis: permutation[range.axis] ?? 0 }],
  }),
  reshape,
};
