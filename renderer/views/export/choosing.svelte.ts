/** What is to be exported: the run, the merged model of it, as what, and where to. */
import type { ExportChoice } from '../../../main/api/exports.ts';
import type { Chosen } from '../../../main/api/shell.ts';
import { compute } from '../../lib/connection.ts';
import { navigation } from '../../lib/navigation.svelte.ts';
import { project } from '../../lib/project.svelte.ts';
import { Resource } from '../../lib/resource.svelte.ts';
import { runs } from '../../lib/runs.svelte.ts';
import { reports } from '../compare/reports.svelte.ts';
import type { ExportRequest } from './exporting.svelte.ts';
import { choiceKey, defaultRun, individualAverage, mergesOf, preselected } from './words.ts';

export class Choosing {
  private picked = $state<string | undefined>();
  /** What the choices belong to. */
  private asked = '';
  readonly choices = new Resource<ExportChoice[]>();
  /** Null for the project's own folder. */
  target = $state.raw<Chosen | null>(null);

  private readonly selection = $derived(navigation.selection('export'));
  /** Finished runs that hold a merge. */
  readonly available = $derived(runs.finished.filter(({ best }) => best !== null));
  readonly run = $derived(
    this.available.find(({ id }) => id === this.selection.run) ?? defaultRun(this.available),
  );
  readonly report = $derived(this.run === undefined ? undefined : reports.get(this.run));
  readonly merges = $derived(this.report?.value === undefined ? [] : mergesOf(this.report.value));
  readonly method = $derived(
    this.merges.find(({ id }) => id === this.selection.method) ?? this.merges[0],
  );
  /** Mean accuracy of the individual models; null where the run has none. */
  readonly individual = $derived(
    this.report?.value === undefined ? null : individualAverage(this.report.value),
  );
  readonly choice = $derived.by(() => {
    const all = this.choices.value ?? [];
    return all.find((choice) => choiceKey(choice) === this.picked) ?? preselected(all);
  });
  /** Undefined until everything is chosen. */
  readonly request = $derived.by((): ExportRequest | undefined => {
    const { run, method, choice, target } = this;
    if (run === undefined || method === undefined || choice === undefined) return undefined;
    return {
      run: run.id,
      runTitle: run.title,
      method: method.id,
      methodTitle: method.title,
      choice,
      target,
    };
  });

  pick(choice: ExportChoice): void {
    this.picked = choiceKey(choice);
  }

  /** Asks for the choices of the run and model, unless they are here or on their way. */
  load(): void {
    const { run, method } = this;
    if (run === undefined || method === undefined) return;
    const input = { run: run.id, method: method.id };
    const key = `${project.overview?.location ?? ''}\n${input.run}\n${input.method}\n${run.changedAt}`;
    if (this.asked === key) return;
    if (this.asked !== '') this.choices.clear();
    this.asked = key;
    void this.choices.load((signal) => compute.exports.choices(input, { signal }));
  }
}
