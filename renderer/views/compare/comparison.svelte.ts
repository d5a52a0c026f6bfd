/** What the Compare view looks at: the chosen models, the measure, the pair. Kept while other views are shown. */
import { untrack } from 'svelte';
import type { RunCard } from '../../../main/api/runs.ts';
import { navigation } from '../../lib/navigation.svelte.ts';
import { project } from '../../lib/project.svelte.ts';
import { runs } from '../../lib/runs.svelte.ts';
import { headline } from './headline.ts';
import {
  bestMerge,
  defaultChoice,
  distinctTitles,
  modelKey,
  modelsOf,
  tasksOf,
  type Model,
} from './models.ts';
import { reports } from './reports.svelte.ts';
import type { Measure, Order } from './table.ts';

/** More series than this cannot be told apart. */
export const chosenLimit = 8;

interface Chosen {
  readonly key: string;
  readonly run: string;
  /** Place in the palette; kept when others go, so that a model keeps its colour. */
  readonly slot: number;
}

/** Null until the person changes something: then the default of the newest run is shown. */
let picked = $state.raw<readonly Chosen[] | null>(null);
let measure = $state<Measure>('accuracy');
let order = $state.raw<Order | null>(null);
let pair = $state.raw<{ task?: string; a?: string; b?: string }>({});
/** The project and the run that the choice was made for; another one begins with the default again. */
let owner = '';

/** The run that the view opened for, else the newest finished one. */
const mainRun = $derived.by((): RunCard | undefined => {
  const asked = runs.find(navigation.selection('compare').run);
  return asked?.status === 'done' ? asked : runs.finished[0];
});

const modelsOfRun = (card: RunCard): Model[] => {
  const report = reports.get(card)?.value;
  return report === undefined ? [] : modelsOf({ card, report });
};

const standard = $derived.by((): readonly Chosen[] => {
  if (mainRun === undefined) return [];
  const { id } = mainRun;
  return defaultChoice(modelsOfRun(mainRun)).map((key, slot) => ({ key, run: id, slot }));
});

const chosen = $derived(picked ?? standard);

/** Runs whose reports the view needs now. */
const neededRuns = $derived.by((): RunCard[] => {
  const ids = new Set([...chosen.map(({ run }) => run), ...(mainRun ? [mainRun.id] : [])]);
  return runs.finished.filter(({ id }) => ids.has(id));
});

/** Every model of the runs that are loaded. */
const known = $derived(neededRuns.flatMap(modelsOfRun));

const models = $derived.by((): Model[] => {
  const byKey = new Map(known.map((model) => [model.key, model]));
  return chosen.flatMap(({ key }) => byKey.get(key) ?? []);
});

const tasks = $derived(tasksOf(models));
const titles = $derived(distinctTitles(known));

const answer = $derived.by(() => {
  const merges = models.some(({ kind }) => kind === 'merge') ? models : known;
  const best = bestMerge(merges);
  return best === undefined ? null : headline(best, tasksOf([best]));
});

/** The pair to look at more closely: the best merge beside its individual models, on its weakest task. */
const pairNow = $derived.by(() => {
  const has = (key: string | undefined) => known.find((model) => model.key === key);
  const best = bestMerge(models) ?? bestMerge(known);
  const a = has(pair.a) ?? best ?? models[0];
  const individual = known.find(({ kind, run }) => kind === 'individual' && run === a?.run);
  const fallback = individual === a ? models.find((model) => model !== a) : individual;
  const b = has(pair.b) ?? fallback ?? models.find((model) => model !== a);
  if (a === undefined || b === undefined) return null;
  const shared = tasksOf([a, b]).filter(
    ({ id }) => a.report.tasks.includes(id) && b.report.tasks.includes(id),
  );
  const task =
    shared.find(({ id }) => id === pair.task) ??
    shared.find(({ id }) => id === answer?.weakest?.task.id) ??
    shared[0];
  return task === undefined ? null : { a, b, task, tasks: shared };
});

function freeSlot(taken: readonly Chosen[]): number {
  const slots = new Set(taken.map(({ slot }) => slot));
  let slot = 0;
  while (slots.has(slot)) slot++;
  return slot;
}

export const comparison = {
  get mainRun(): RunCard | undefined {
    return mainRun;
  },
  get neededRuns(): readonly RunCard[] {
    return neededRuns;
  },
  /** Chosen models whose reports are there, in the order in which they were chosen. */
  get models(): readonly Model[] {
    return models;
  },
  get known(): readonly Model[] {
    return known;
  },
  get tasks() {
    return tasks;
  },
  get titles(): ReadonlyMap<string, string> {
    return titles;
  },
  get answer() {
    return answer;
  },
  get full(): boolean {
    return chosen.length >= chosenLimit;
  },
  /** Whether the choice is the person's own. */
  get touched(): boolean {
    return picked !== null;
  },
  get measure(): Measure {
    return measure;
  },
  set measure(next: Measure) {
    measure = next;
  },
  get order(): Order | null {
    return order;
  },
  set order(next: Order | null) {
    order = next;
  },
  get pair() {
    return pairNow;
  },

  isChosen(run: string, method: string): boolean {
    return chosen.some(({ key }) => key === modelKey(run, method));
  },
  slotOf: (key: string): number => chosen.find((one) => one.key === key)?.slot ?? 0,

  /** Adds a model or takes it away. */
  toggle(run: string, method: string): void {
    const key = modelKey(run, method);
    if (chosen.some((one) => one.key === key)) {
      picked = chosen.filter((one) => one.key !== key);
    } else if (chosen.length < chosenLimit) {
      picked = [...chosen, { key, run, slot: freeSlot(chosen) }];
    }
  },

  /** Back to what the view opens with. */
  restore(): void {
    picked = null;
  },

  setPair(change: { task?: string; a?: string; b?: string }): void {
    pair = { ...pair, ...change };
  },

  /** Asks for the reports that are needed, and forgets the choice when another project or run is asked for. */
  follow(): void {
    const next = `${project.overview?.location ?? ''}\n${navigation.selection('compare').run ?? ''}`;
    if (owner !== next) {
      owner = next;
      picked = null;
      order = null;
      pair = {};
    }
    for (const run of neededRuns) untrack(() => reports.want(run));
  },
};
