/** Reports of finished runs: asked for when a view needs them, kept while the project is open. */
import { SvelteMap } from 'svelte/reactivity';
import type { Report } from '../../../main/api/report.ts';
import type { RunCard } from '../../../main/api/runs.ts';
import { compute } from '../../lib/connection.ts';
import { project } from '../../lib/project.svelte.ts';
import { Resource } from '../../lib/resource.svelte.ts';

const entries = new SvelteMap<string, Resource<Report>>();
/** Where the entries belong to; another project's runs may carry the same ids. */
let owner: string | undefined;

/** A run that is resumed or run again under its id has another report. */
function keyOf(run: RunCard): string {
  return `${project.overview?.location ?? ''}\n${run.id}\n${run.changedAt}`;
}

export const reports = {
  /** The report of a run, as far as it is there. Reading it does not ask for it. */
  get(run: RunCard): Resource<Report> | undefined {
    return entries.get(keyOf(run));
  },

  /** Asks for the report of a run unless that was done before. Call it from an effect or an event. */
  want(run: RunCard): void {
    const location = project.overview?.location;
    if (location !== owner) {
      entries.clear();
      owner = location;
    }
    const key = keyOf(run);
    if (entries.has(key)) return;
    const resource = new Resource<Report>();
    entries.set(key, resource);
    void resource.load((signal) => compute.runs.report({ run: run.id }, { signal }));
  },
};
