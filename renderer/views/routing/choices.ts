/** Which methods of which runs can be looked at, and what they are called. */
import type { RunCard } from '../../../main/api/runs.ts';

/** A method with routers of a finished run. */
export interface Choice {
  readonly key: string;
  readonly run: string;
  readonly runTitle: string;
  readonly method: string;
  readonly title: string;
}

function choiceKey(run: string, method: string): string {
  return `${run}/${method}`;
}

/** Names of runs, with the id where two are called the same. */
export function runTitles(cards: readonly Pick<RunCard, 'id' | 'title'>[]): Map<string, string> {
  const count = new Map<string, number>();
  for (const { title } of cards) count.set(title, (count.get(title) ?? 0) + 1);
  return new Map(
    cards.map(({ id, title }) => [id, (count.get(title) ?? 0) > 1 ? `${title} (${id})` : title]),
  );
}

/** The methods of a run as choices; the id is added where two methods are called the same. */
export function choicesOf(
  run: string,
  runTitle: string,
  methods: readonly { readonly method: string; readonly title: string }[],
): Choice[] {
  const titles = methods.map(({ title }) => title);
  return methods.map(({ method, title }) => ({
    key: choiceKey(run, method),
    run,
    runTitle,
    method,
    title: titles.filter((one) => one === title).length > 1 ? `${title} (${method})` : title,
  }));
}

/** What tells two choices apart, in as few words as possible. */
export function pairTitles(a: Choice, b: Choice): [string, string] {
  if (a.run === b.run) return [a.title, b.title];
  if (a.title === b.title) return [a.runTitle, b.runTitle];
  return [`${a.title} · ${a.runTitle}`, `${b.title} · ${b.runTitle}`];
}

/** The run to open with: the one asked for, else the newest with routers, else the newest. */
export function chooseRun(
  finished: readonly RunCard[],
  methods: ReadonlyMap<string, readonly Choice[]>,
  asked: string | undefined,
): RunCard | undefined {
  return (
    finished.find((run) => run.id === asked) ??
    finished.find((run) => (methods.get(run.id)?.length ?? 0) > 0) ??
    finished[0]
  );
}

/** The method to open with: the one asked for, else the run's best, else the last one (the deepest routers). */
export function chooseMethod(
  choices: readonly Choice[],
  run: RunCard | undefined,
  asked: string | undefined,
): Choice | undefined {
  return (
    choices.find((choice) => choice.method === asked) ??
    choices.find((choice) => choice.method === run?.best?.method) ??
    choices.at(-1)
  );
}
