/** Every method a recipe can name: the references, the static merges and the adaptive ones. */
import type { AdaptiveMethod } from '../adaptation/method.ts';
import { adaptiveMethods } from '../adaptation/methods.ts';
import type { StatisticsMethod } from '../adaptation/statistics/method.ts';
import { statisticsMethods } from '../adaptation/statistics/methods.ts';
import { methods as staticMethods } from '../merging/index.ts';
import type { Method } from '../merging/method.ts';
import { flatSettings, resolveSettings, type ParameterReport } from '../merging/settings.ts';
import {
  resolveParameters,
  type GivenParameters,
  type Parameterized,
  type ParameterPlace,
} from '../lib/parameters.ts';
import type { MethodCatalogue, RecipeMethod } from './recipe.ts';

/** What merges are compared with; neither merges anything. */
export interface ReferenceMethod extends Parameterized {
  readonly id: 'pretrained' | 'individual';
  readonly title: string;
  readonly summary: string;
}

const references: readonly ReferenceMethod[] = [
  {
    id: 'pretrained',
    title: 'Pre-trained',
    summary: 'The base model on every task, before any fine-tuning. What every merge starts from.',
    parameters: {},
  },
  {
    id: 'individual',
    title: 'Individual models',
    summary: 'Every expert on its own task. What a merged model is measured against.',
    parameters: {},
  },
];

export type CatalogueEntry =
  | { readonly kind: 'reference'; readonly method: ReferenceMethod }
  | { readonly kind: 'static'; readonly method: Method }
  | { readonly kind: 'statistics'; readonly method: StatisticsMethod }
  | { readonly kind: 'adaptive'; readonly method: AdaptiveMethod };

const entries: ReadonlyMap<string, CatalogueEntry> = new Map<string, CatalogueEntry>([
  ...references.map((method) => [method.id, { kind: 'reference', method }] as const),
  ...staticMethods.map((method) => [method.id, { kind: 'static', method }] as const),
  ...statisticsMethods.map((method) => [method.id, { kind: 'statistics', method }] as const),
  ...adaptiveMethods.map((method) => [method.id, { kind: 'adaptive', method }] as const),
]);

/** All methods, references first. */
export const catalogue: readonly CatalogueEntry[] = [...entries.values()];

export function catalogueEntry(id: string): CatalogueEntry {
  const entry = entries.get(id);
  if (entry === undefined) throw new Error(`no method "${id}"; recipes are checked before`);
  return entry;
}

/**
 * The parameters of a method with defaults filled in; a list where each expert has its own value.
 * Throws what `resolveSettings` throws.
 */
export function allParameters(
  { kind, method }: CatalogueEntry,
  given: GivenParameters,
  expertCount: number,
  where: ParameterPlace,
): ParameterReport {
  if (kind !== 'static') return resolveParameters(method, given, where);
  return flatSettings(method, resolveSettings(method, given, expertCount, where));
}

/** Whether a method looks at unlabelled images, so that what it is measured on must be said. */
export function usesImages(entry: RecipeMethod): boolean {
  const found = catalogueEntry(entry.method);
  return found.kind === 'statistics' || (found.kind === 'adaptive' && learns(found.method));
}

/** Whether an adaptive method has anything to learn; SMILE, which routes without, has no steps. */
export function learns({ parameters }: AdaptiveMethod): boolean {
  return parameters['steps'] !== undefined;
}

/** What recipes are checked against. */
export const methodCatalogue: MethodCatalogue = {
  ids: [...entries.keys()],
  validate: (id, parameters, expertCount, where) => {
    allParameters(catalogueEntry(id), parameters, expertCount, where);
  },
};

/** The title of a recipe's method, with the one parameter that tells its variants apart. */
export function titleOf(entry: RecipeMethod): string {
  const { method } = catalogueEntry(entry.method);
  const { router_layers, granularity: grain } = method.parameters;
  const depth = entry.parameters['router_layers'] ?? router_layers?.default;
  const granularity = entry.parameters['granularity'] ?? grain?.default;
  const aim = aimOf(entry);
  if (typeof depth === 'number') return `${method.title} l=${String(depth)}${aim}`;
  if (typeof granularity === 'string') return `${method.title} ${granularity}-wise${aim}`;
  return entry.method === entry.id ? method.title : `${method.title} (${entry.id})`;
}

/** What an adaptation aims at, where it is not the published objective alone. */
function aimOf({ parameters }: RecipeMethod): string {
  const { objective, diversity, guard } = parameters;
  return [
    ...(objective === 'distillation' ? ['distilled'] : []),
    ...(typeof diversity === 'number' && diversity > 0 ? [`β=${String(diversity)}`] : []),
    ...(typeof guard === 'string' ? [`guard ${guard}`] : []),
  ]
    .map((part) => `, ${part}`)
    .join('');
}
