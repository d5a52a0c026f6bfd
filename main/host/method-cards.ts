/** The methods as the Merge view offers them: everything comes from the records of the methods. */
import type { MethodCard, ParameterCard } from '../api/merge.ts';
import { resolveParameters, type Parameter } from '../lib/parameters.ts';
import { catalogue, type CatalogueEntry } from '../runs/catalogue.ts';

export function methodCards(): MethodCard[] {
  return catalogue.map((entry) => {
    const { kind, method } = entry;
    const described = kind === 'reference' ? undefined : entry.method;
    const parameters = Object.entries(method.parameters as Record<string, Parameter>);
    return {
      id: method.id,
      kind,
      title: method.title,
      summary: method.summary,
      formula: described?.formula ?? null,
      paper: described === undefined ? null : { ...described.paper },
      routes: routes(entry),
      parameters: Object.fromEntries(parameters.map(([name, each]) => [name, card(each)])),
    };
  });
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
