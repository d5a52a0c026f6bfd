/** Words of the Merge view. */
import type { Draft, MethodCard, ParameterCard } from '../../../main/api/merge.ts';
import { short } from '../../lib/format.ts';

/** What differs from the defaults. */
export type Settings = Draft['methods'][number]['parameters'];
type Value = Settings[string];
/** What a form gives. */
export type ParameterValue = number | string | boolean;
export type PickedMethod = Pick<
  MethodCard,
  'id' | 'title' | 'family' | 'summary' | 'formula' | 'paper' | 'parameters'
>;

interface Kind {
  /** Beside the name of a method; static merges are what one expects. */
  readonly badge: string | undefined;
  readonly text: string;
  readonly strong: boolean;
}

export const kinds: Readonly<Record<MethodCard['kind'], Kind>> = {
  reference: {
    badge: 'reference',
    text: 'What merges are measured against; nothing is merged.',
    strong: false,
  },
  static: {
    badge: undefined,
    text: 'Arithmetic on weights; ready in seconds.',
    strong: false,
  },
  statistics: {
    badge: 'reads images',
    text: 'Weighs weights by statistics of unlabelled images; nothing is trained.',
    strong: true,
  },
  adaptive: {
    badge: 'learns',
    text: 'Adapts on unlabelled images for some minutes.',
    strong: true,
  },
};

function valueText(value: Value): string {
  if (typeof value === 'number') return short(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return Array.isArray(value) ? value.map(short).join(', ') : value;
}

/** Whether a value is what the method would take anyway. */
function isDefault(card: ParameterCard, value: Value | undefined): boolean {
  return value === undefined || value === card.default;
}

/** What an entry changes of its method's defaults: "Router depth l: 1". */
export function changes(card: MethodCard, parameters: Settings): string[] {
  return Object.entries(card.parameters).flatMap(([name, parameter]) => {
    const value = parameters[name];
    if (value === undefined || isDefault(parameter, value)) return [];
    return [`${parameter.title}: ${valueText(value)}`];
  });
}
