/** Differences of two recipes, grouped and in words. */
import type { RecipeDifference } from '../../../main/api/runs.ts';

export interface DifferenceRow {
  readonly name: string;
  /** In words; null where the recipe has no such entry. */
  readonly a: string | null;
  readonly b: string | null;
  readonly change: 'changed' | 'only-a' | 'only-b';
}

export interface DifferenceGroup {
  readonly title: string;
  readonly rows: readonly DifferenceRow[];
}

/** Parts of a recipe whose entries have names of their own: one group for each of these. */
const collections = new Map([
  ['methods', 'Method'],
  ['tasks', 'Task'],
]);

const sections: Readonly<Record<string, string>> = {
  adaptation: 'Adaptation',
  evaluation: 'Evaluation',
  engine: 'Engine',
  export: 'Export',
};

/** Groups in the order in which the differences name them. */
export function groupDifferences(differences: readonly RecipeDifference[]): DifferenceGroup[] {
  const groups = new Map<string, DifferenceRow[]>();
  for (const { place, a, b } of differences) {
    const { group, name } = splitPlace(place);
    const rows = groups.get(group) ?? [];
    const change = a === null ? 'only-b' : b === null ? 'only-a' : 'changed';
    rows.push({ name, a: valueText(a), b: valueText(b), change });
    groups.set(group, rows);
  }
  return [...groups].map(([title, rows]) => ({ title, rows }));
}

function splitPlace(place: string): { group: string; name: string } {
  const [first = '', ...rest] = place.split('.');
  const collection = collections.get(first);
  if (collection !== undefined && rest.length > 0) {
    const [id = '', ...inside] = rest;
    return { group: `${collection} ${id}`, name: words(inside.join(' ') || 'present') };
  }
  const section = sections[first];
  if (section !== undefined) return { group: section, name: words(rest.join(' ') || first) };
  return { group: 'General', name: words(place) };
}

function words(text: string): string {
  return text.replaceAll(/[._]/g, ' ');
}

function valueText(value: RecipeDifference['a']): string | null {
  if (value === null) return null;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.join(', ');
  return String(value);
}
