/** The parameters of a method: one table from which validation, forms, flags and help are made. */
import { closest } from './closest.ts';
import { AppError } from './errors.ts';

interface ParameterText {
  /** As a form labels it, with the symbol of the literature. */
  readonly title: string;
  /** What it does and which values are usual, in one or two sentences. */
  readonly help: string;
}

/** Both ends belong to the range. */
interface NumberRange {
  readonly min: number;
  readonly max: number;
}

export type Parameter = ParameterText &
  (
    | { readonly kind: 'number'; readonly default: number; readonly range: NumberRange }
    | { readonly kind: 'integer'; readonly default: number; readonly range: NumberRange }
    | { readonly kind: 'boolean'; readonly default: boolean }
    | { readonly kind: 'choice'; readonly default: string; readonly range: readonly string[] }
    /** The id of a merge that stands before it in the recipe; '' is the last one. */
    | { readonly kind: 'merge'; readonly default: '' }
  );

export type ParameterTable = Readonly<Record<string, Parameter>>;

type ValueOf<P> = P extends { readonly kind: 'boolean' }
  ? boolean
  : P extends { readonly kind: 'choice'; readonly range: readonly (infer Choice)[] }
    ? Choice
    : P extends { readonly kind: 'merge' }
      ? string
      : number;

/** A value for every parameter of a table. */
export type ParameterValues<Table extends ParameterTable = ParameterTable> = {
  readonly [Key in keyof Table]: ValueOf<Table[Key]>;
};

/** Values as a person gave them: any subset, unchecked. */
export type GivenParameters = Readonly<Record<string, unknown>>;

/** What a table of parameters belongs to. */
export interface Parameterized<Table extends ParameterTable = ParameterTable> {
  readonly id: string;
  readonly parameters: Table;
}

/** Where the parameters stand (a file and line, a form); with a key, where that one stands. */
export type ParameterPlace = string | ((key?: string) => string);

/**
 * Checks given values against the table of a method and fills in the defaults. Throws
 * `recipe.unknown_parameter` or `recipe.invalid_parameter`, naming method, key, value and range.
 */
export function resolveParameters<Table extends ParameterTable>(
  method: Parameterized<Table>,
  given: GivenParameters,
  where: ParameterPlace,
): ParameterValues<Table> {
  const known = Object.keys(method.parameters);
  const place = (key: string) => (typeof where === 'string' ? where : where(key));
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw unknownParameter(method.id, key, known, place(key));
  }
  const values: Record<string, unknown> = {};
  for (const [key, parameter] of Object.entries(method.parameters)) {
    const value = given[key];
    if (value !== undefined && !accepts(parameter, value)) {
      throw new AppError('recipe.invalid_parameter', {
        what: `parameter "${key}" of method "${method.id}" is ${shown(value)}`,
        where: place(key),
        hint: `give ${describeRange(parameter)}; the default is ${defaultText(parameter)}`,
      });
    }
    values[key] = value ?? parameter.default;
  }
  return values as ParameterValues<Table>;
}

function unknownParameter(
  methodId: string,
  key: string,
  known: readonly string[],
  where: string,
): AppError {
  const meant = closest(key, known);
  const guess = meant === undefined ? '' : `did you mean "${meant}"? `;
  return new AppError('recipe.unknown_parameter', {
    what: `method "${methodId}" has no parameter ${shown(key)}`,
    where,
    hint:
      known.length === 0
        ? 'this method takes no parameters; remove it'
        : `${guess}its parameters are: ${known.join(', ')}`,
  });
}

function accepts(parameter: Parameter, value: unknown): boolean {
  switch (parameter.kind) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'choice':
      return typeof value === 'string' && parameter.range.includes(value);
    case 'merge':
      return typeof value === 'string';
    case 'integer':
    case 'number': {
      if (typeof value !== 'number' || !Number.isFinite(value)) return false;
      if (parameter.kind === 'integer' && !Number.isInteger(value)) return false;
      return value >= parameter.range.min && value <= parameter.range.max;
    }
  }
}

/** The default in words. */
export function defaultText(parameter: Parameter): string {
  return parameter.kind === 'merge' ? 'the last one' : String(parameter.default);
}

/** The allowed values in words, e.g. "a number from 0 to 1". */
export function describeRange(parameter: Parameter): string {
  switch (parameter.kind) {
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${parameter.range.join(', ')}`;
    case 'merge':
      return 'the id of a merge that stands before it';
    case 'integer':
      return `a whole number from ${parameter.range.min} to ${parameter.range.max}`;
    case 'number':
      return `a number from ${parameter.range.min} to ${parameter.range.max}`;
  }
}

function shown(value: unknown): string {
  const text =
    typeof value === 'number' ? String(value) : (JSON.stringify(value) as string | undefined);
  return text === undefined ? typeof value : text.slice(0, 80);
}
