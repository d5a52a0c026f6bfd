/** Methods of a draft that go on from others of it. */
import type { Draft, MethodCard } from '../../../main/api/merge.ts';

type Entries = Draft['methods'];
type CardOf = (method: string) => Pick<MethodCard, 'kind' | 'routes' | 'parameters'> | undefined;

/** Names of the parameters that name another merge. */
function references(card: ReturnType<CardOf>): string[] {
  return Object.entries(card?.parameters ?? {}).flatMap(([name, { kind }]) =>
    kind === 'merge' ? [name] : [],
  );
}

/** Ids of those that give one set of weights, the same for every image and task. */
export function mergesAmong(entries: Entries, cardOf: CardOf): string[] {
  return entries.flatMap(({ id, method }) => {
    const card = cardOf(method);
    if (card === undefined || card.kind === 'reference' || card.routes) return [];
    return references(card).length > 0 ? [] : [id];
  });
}

/** The entries after one has another id: who goes on from it still does. */
export function renamed(entries: Entries, from: string, to: string, cardOf: CardOf): Entries {
  if (from === to) return entries;
  return entries.map((entry) => {
    const naming = references(cardOf(entry.method)).filter(
      (name) => entry.parameters[name] === from,
    );
    const parameters = Object.fromEntries(naming.map((name) => [name, to]));
    return naming.length === 0
      ? entry
      : { ...entry, parameters: { ...entry.parameters, ...parameters } };
  });
}
