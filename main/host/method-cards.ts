/** The methods as the Merge view offers them: everything comes from the records of the methods. */
import type { MethodCard, ParameterCard } from '../api/merge.ts';
import { resolveParameters, type Parameter, type ParameterTable } from '../lib/parameters.ts';
import { families } from '../merging/method.ts';
import { catalogue, learns, type CatalogueEntry } from '../runs/catalogue.ts';

export function methodCards(): MethodCard[] {
  return catalogue.map((entry) => {
    const { kind, method } = entry;
    const described = kind === 'reference' ? undefined : entry.method;
    const perExpert = entry.kind === 'static' ? entry.method.perExpert : {};
    return {
      id: method.id,
      kind,
      family: familyTitle(entry),
      title: method.title,
      summary: method.summary,
      formula: described?.formula ?? null,
      paper: described === undefined ? null : { ...described.paper },
      routes: routes(entry),
      parameters: parameterCards({ ...method.parameters, ...perExpert }),
    };
  });
}

function familyTitle(entry: CatalogueEntry): string {
  switch (entry.kind) {
    case 'reference':
      return 'To compare with';
    case 'statistics':
      return 'Statistics of unlabelled images';
    case 'adaptive':
      return learns(entry.method) ? 'Learning on unlabelled images' : 'Routing without learning';
    case 'static':
      return families[entry.method.family];
  }
}

/** A table of parameters as forms take it. */
export function parameterCards(table: ParameterTable): Record<string, ParameterCard> {
  return Object.fromEntries(Object.entries(table).map(([name, each]) => [name, card(each)]));
}

function card(parameter: Parameter): ParameterCard {
  return parameter.kind === 'choice'
    ? { ...parameter, range: [...parameter.range] }
    : { ...parameter };
}

/** Methods with routers say how their routing weights are reduced. */
function routes(entry: CatalogueEntry): boolean {
  if (entry.kind !== 'adaptive') return false;
  const defaults = resolveParameters(entry.method, {}, entry.method.id);
  return entry.method.settings(defaults).reduction !== undefined;
}
