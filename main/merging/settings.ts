/** The values of a method's parameters for one merge: some for all of it, some for each expert. */
import { AppError } from '../lib/errors.ts';
import {
  resolveParameters,
  type GivenParameters,
  type Parameterized,
  type ParameterPlace,
  type ParameterTable,
  type ParameterValues,
} from '../lib/parameters.ts';
import type { Method } from './method.ts';

/** Parameters as reports and events hold them. */
export type ParameterReport = Readonly<Record<string, number | string | boolean | number[]>>;

export interface MethodSettings {
  readonly parameters: ParameterValues;
  /** In the order of the experts. */
  readonly settings: readonly ParameterValues[];
}

/** All parameters of a method in one table, as forms, flags and recipes show them. */
function parameterTable(method: Method): Parameterized {
  return { id: method.id, parameters: { ...method.parameters, ...method.perExpert } };
}

/** All values as one table of a report: a list where a parameter has a value for each expert. */
export function flatSettings(method: Method, values: MethodSettings): ParameterReport {
  const perExpert = Object.keys(method.perExpert).map((key) => [
    key,
    values.settings.map((own) => own[key]),
  ]);
  return { ...values.parameters, ...(Object.fromEntries(perExpert) as ParameterReport) };
}

/**
 * Checks given values and fills in the defaults. A per-expert parameter is given as one value for all
 * experts or as a list with one for each. Throws what `resolveParameters` throws, and
 * `recipe.invalid_parameter` for a list of another length.
 */
export function resolveSettings(
  method: Method,
  given: GivenParameters,
  expertCount: number,
  where: ParameterPlace,
): MethodSettings {
  const settings = Array.from({ length: expertCount }, (_, expert) =>
    resolveParameters(
      parameterTable(method),
      forExpert(method, given, expert, expertCount, where),
      where,
    ),
  );
  const shared = Object.keys(method.perExpert).reduce(without, given);
  return {
    parameters: resolveParameters({ id: method.id, parameters: method.parameters }, shared, where),
    settings: settings.map((values) => pick(values, method.perExpert)),
  };
}

function forExpert(
  method: Method,
  given: GivenParameters,
  expert: number,
  expertCount: number,
  where: ParameterPlace,
): GivenParameters {
  const own = Object.entries(given).map(([key, value]): [string, unknown] => {
    if (!Array.isArray(value) || !(key in method.perExpert)) return [key, value];
    if (value.length === expertCount) return [key, value[expert]];
    throw new AppError('recipe.invalid_parameter', {
      what: `parameter "${key}" of method "${method.id}" has ${value.length} values for ${expertCount} experts`,
      where: typeof where === 'string' ? where : where(key),
      hint: 'give one value for each expert, in the order of the experts, or a single one for all',
    });
  });
  return Object.fromEntries(own);
}

function without(given: GivenParameters, key: string): GivenParameters {
  return Object.fromEntries(Object.entries(given).filter(([other]) => other !== key));
}

function pick(values: ParameterValues, table: ParameterTable): ParameterValues {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key in table));
}
