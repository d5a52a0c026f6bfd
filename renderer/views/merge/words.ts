/** Words of the Merge view. */
import type { Draft, MethodCard, ParameterCard } from '../../../main/api/merge.ts';
import { short } from '../../lib/format.ts';

type Value = Draft['methods'][number]['parameters'][string];

export const kinds = [
  {
    kind: 'reference',
    title: 'References',
    text: 'What merges are measured against; nothing is merged.',
  },
  { kind: 'static', title: 'Static merges', text: 'Arithmetic on weights; ready in seconds.' },
  {
    kind: 'adaptive',
    title: 'Learn at test time',
    text: 'Adapt on unlabelled images for some minutes.',
  },
] as const satisfies readonly { kind: MethodCard['kind']; title: string; text: string }[];

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
export function changes(
  card: MethodCard,
  parameters: Draft['methods'][number]['parameters'],
): string[] {
  return Object.entries(card.parameters).flatMap(([name, parameter]) => {
    const value = parameters[name];
    if (value === undefined || isDefault(parameter, value)) return [];
    return [`${parameter.title}: ${valueText(value)}`];
  });
}
