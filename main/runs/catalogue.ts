/** Every method a recipe can name: the references, the static merges and the adaptive ones. */
import type { AdaptiveMethod } from '../adaptation/method.ts';
import { adaptiveMethods } from '../adaptation/methods.ts';
import type { StatisticsMethod } from '../adaptation/statistics/method.ts';
import { statisticsMethods } from '../adaptation/statistics/methods.ts';
import { methods as staticMethods } from '../merging/index.ts';
import type { Method } from '../merging/method.ts';
import { AppError } from '../lib/errors.ts';
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

/** Whether a method goes on from another merge. */
export function goesOn(entry: RecipeMethod): boolean {
  const found = catalogueEntry(entry.method);
  return found.kind === 'adaptive' && found.method.onMerge === true;
}

/** Whether a method gives one set of weights, the same for every image and task. */
function givesWeights(entry: RecipeMethod): boolean {
  const found = catalogueEntry(entry.method);
  if (found.kind === 'reference') return false;
  if (found.kind !== 'adaptive') return true;
  const parameters = resolveParameters(found.method, entry.parameters, entry.id);
  return found.method.onMerge !== true && found.method.settings(parameters).reduction === undefined;
}

/**
 * The merge that entry `index` of a recipe's methods goes on from: the one its parameter `of` names, or the last one
 * before it. Throws `recipe.invalid_parameter` where there is no such merge.
 */
export function mergeBefore(
  methods: readonly RecipeMethod[],
  index: number,
  where: ParameterPlace,
): RecipeMethod {
  const entry = methods[index];
  const of = entry?.parameters['of'] ?? '';
  const before = methods.slice(0, Math.max(0, index)).filter(givesWeights);
  const found = of === '' ? before.at(-1) : before.find(({ id }) => id === of);
  if (found !== undefined) return found;
  const ids = before.map(({ id }) => id).join(', ');
  throw new AppError('recipe.invalid_parameter', {
    what:
      of === ''
        ? `method "${entry?.id ?? ''}" goes on from a merge, but there is none before it`
        : `method "${entry?.id ?? ''}" goes on from "${String(of)}", but no merge before it that gives one set of weights is called so`,
    where: typeof where === 'string' ? where : where('of'),
    hint: ids === '' ? 'put a static merge or AdaMerging before it' : `name one of ${ids}`,
  });
}

/** What recipes are checked against. */
export const methodCatalogue: MethodCatalogue = {
  ids: [...entries.keys()],
  validate: (id, parameters, expertCount, where) => {
    allParameters(catalogueEntry(id), parameters, expertCount, where);
  },
  validateOrder: (methods, index, where) => {
    const entry = methods[index];
    if (entry !== undefined && goesOn(entry)) mergeBefore(methods, index, where);
  },
};

/** The title of a recipe's method, with the one parameter that tells its variants apart. */
export function titleOf(entry: RecipeMethod): string {
  const { method } = catalogueEntry(entry.method);
  const { router_layers, granularity: grain } = method.parameters;
  const depth = entry.parameters['router_layers'] ?? router_layers?.default;
  const granularity = entry.parameters['granularity'] ?? grain?.default;
  const aim = aimOf(entry);
  if (goesOn(entry)) {
    const of = entry.parameters['of'] ?? '';
    return `${method.title}${of === '' ? '' : ` on ${String(of)}`}, task known`;
  }
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
