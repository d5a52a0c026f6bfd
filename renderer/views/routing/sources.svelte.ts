/** What the view looks at: one method of one run, and perhaps another one beside it. */
import type { RoutingSnapshots } from '../../../main/api/routing.ts';
import { SvelteMap } from 'svelte/reactivity';
import { compute } from '../../lib/connection.ts';
import { toFailure, type Failure } from '../../lib/errors.ts';
import { navigation } from '../../lib/navigation.svelte.ts';
import { Resource } from '../../lib/resource.svelte.ts';
import { runs } from '../../lib/runs.svelte.ts';
import {
  chooseMethod,
  chooseRun,
  choicesOf,
  pairTitles,
  runTitles,
  type Choice,
} from './choices.ts';
import type { Source } from './frames.ts';

/** The course of an adaptation; none where the run kept none, as the adapted model can be shown without. */
async function readSnapshots(
  run: string,
  method: string,
  signal: AbortSignal,
): Promise<RoutingSnapshots> {
  try {
    return await compute.routing.snapshots({ run, method }, { signal });
  } catch (error) {
    if (toFailure(error).code === 'run.no_result') return { steps: [], mean: [] };
    throw error;
  }
}

export class Sources {
  /** Methods with routers, by run. */
  private readonly methods = new SvelteMap<string, readonly Choice[]>();
  private readonly failures = new SvelteMap<string, Failure>();
  private secondKey = $state<string | undefined>();
  /** A finished run does not change, so what was read of it stays. */
  private readonly cache = new SvelteMap<string, Source>();
  readonly first = new Resource<Source>();
  readonly second = new Resource<Source>();

  readonly titles = $derived(runTitles(runs.finished));
  readonly run = $derived(
    chooseRun(runs.finished, this.methods, navigation.selection('routing').run),
  );
  /** Undefined while they are being asked for. */
  readonly choices = $derived(this.run === undefined ? undefined : this.methods.get(this.run.id));
  /** Why the methods of the run are not known. */
  readonly failure = $derived(this.run === undefined ? undefined : this.failures.get(this.run.id));
  readonly choice = $derived(
    chooseMethod(this.choices ?? [], this.run, navigation.selection('routing').method),
  );
  /** What the first can be compared with. */
  readonly others = $derived(
    runs.finished
      .flatMap(({ id }) => this.methods.get(id) ?? [])
      .filter(({ key }) => key !== this.choice?.key),
  );
  readonly other = $derived(this.others.find(({ key }) => key === this.secondKey));
  /** What is drawn: only what fits the choice, so that old numbers never stand under a new name. */
  readonly a = $derived(this.named(this.first.value, this.choice, this.other, 0));
  readonly b = $derived(
    this.other === undefined
      ? undefined
      : this.named(this.second.value, this.other, this.choice, 1),
  );

  private named(
    source: Source | undefined,
    choice: Choice | undefined,
    beside: Choice | undefined,
    place: 0 | 1,
  ): Source | undefined {
    if (source?.run !== choice?.run || source?.method !== choice?.method) return undefined;
    if (source === undefined || choice === undefined) return undefined;
    if (beside === undefined) return { ...source, title: choice.title };
    const titles = place === 0 ? pairTitles(choice, beside) : pairTitles(beside, choice);
    return { ...source, title: titles[place] };
  }

  chooseRun(run: string): void {
    navigation.select('routing', { run });
  }

  chooseMethod(method: string): void {
    navigation.select('routing', { run: this.run?.id, method });
  }

  /** Puts another method beside the first; undefined ends the comparison. */
  compareWith(key: string | undefined): void {
    this.secondKey = key;
  }

  /** Asks for the methods of the finished runs that are not known yet. */
  async loadMethods(): Promise<void> {
    const missing = runs.finished.filter(({ id }) => !this.methods.has(id));
    if (missing.length === 0) return;
    const answers = await Promise.all(
      missing.map(async ({ id }) => {
        try {
          const methods = await compute.routing.methods({ run: id });
          return { id, choices: choicesOf(id, this.titles.get(id) ?? id, methods) };
        } catch (error) {
          return { id, failure: toFailure(error) };
        }
      }),
    );
    for (const answer of answers) {
      if ('choices' in answer) {
        this.methods.set(answer.id, answer.choices);
        this.failures.delete(answer.id);
      } else {
        this.failures.set(answer.id, answer.failure);
      }
    }
  }

  /** Loads the sources that are chosen. */
  loadFirst(): Promise<void> {
    return this.load(this.first, this.choice);
  }

  loadSecond(): Promise<void> {
    return this.load(this.second, this.other);
  }

  private async load(target: Resource<Source>, choice: Choice | undefined): Promise<void> {
    if (choice === undefined) return;
    const { key, run, runTitle, method, title } = choice;
    await target.load(async (signal) => {
      const read = this.cache.get(key);
      if (read !== undefined) return read;
      const [routing, snapshots] = await Promise.all([
        compute.routing.get({ run, method }, { signal }),
        readSnapshots(run, method, signal),
      ]);
      const source = { run, runTitle, method, title, routing, snapshots };
      this.cache.set(key, source);
      return source;
    });
  }
}
