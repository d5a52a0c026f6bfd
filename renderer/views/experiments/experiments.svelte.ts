/** The bundled experiments on the open project's models, and the one that is carried out, run after run. */
import type { ExpandedExperiment, ExperimentCard } from '../../../main/api/experiments.ts';
import { compute } from '../../lib/connection.ts';
import { Resource } from '../../lib/resource.svelte.ts';
import { isActive, runs } from '../../lib/runs.svelte.ts';
import { toasts } from '../../lib/toasts.svelte.ts';

interface Going {
  /** Name of the experiment, and of the run in progress. */
  readonly experiment: string;
  readonly run: string;
  /** Of the run, once it has begun. */
  readonly id: string | undefined;
  readonly stopping: boolean;
}

const list = new Resource<ExperimentCard[]>();
const expanded = new Resource<ExpandedExperiment>();
const estimate = new Resource<{ seconds: number; basis: string }>();
let chosen = $state<string | undefined>();
let going = $state.raw<Going | undefined>();

export const experiments = {
  get list(): Resource<ExperimentCard[]> {
    return list;
  },
  get chosen(): ExperimentCard | undefined {
    return list.value?.find(({ name }) => name === chosen) ?? list.value?.[0];
  },
  /** The runs of the chosen one. */
  get expanded(): Resource<ExpandedExperiment> {
    return expanded;
  },
  get estimate(): Resource<{ seconds: number; basis: string }> {
    return estimate;
  },
  get going(): Going | undefined {
    return going;
  },

  async ready(): Promise<void> {
    if (list.value === undefined && !list.loading)
      await list.load(() => compute.experiments.list());
  },

  choose(name: string): void {
    chosen = name;
    expanded.clear();
    estimate.clear();
  },

  /** Asks what the chosen one would run, and how long. */
  async check(): Promise<void> {
    const experiment = experiments.chosen?.name;
    if (experiment === undefined) return;
    await expanded.load((signal) => compute.experiments.expand({ experiment }, { signal }));
    const left = expanded.value?.runs.some(({ finished }) => finished === null);
    // Timing a batch beside a run would tell nothing.
    if (expanded.failure !== undefined || left !== true || runs.active !== undefined) {
      estimate.clear();
    } else {
      await estimate.load((signal) => compute.experiments.estimate({ experiment }, { signal }));
    }
  },

  /** Carries out what of the chosen one is not finished; ends early where a run does. */
  async start(): Promise<void> {
    const experiment = experiments.chosen?.name;
    const wanted = expanded.value?.runs.filter(({ finished }) => finished === null) ?? [];
    if (experiment === undefined || going !== undefined) return;
    try {
      for (const { name } of wanted) {
        if (!(await carryOut(experiment, name))) break;
      }
    } catch (error) {
      toasts.error(error);
    } finally {
      going = undefined;
    }
  },

  /** Stops after what the run in progress has done so far; another start goes on from there. */
  async stop(): Promise<void> {
    if (going === undefined) return;
    going = { ...going, stopping: true };
    if (going.id !== undefined) await runs.control(going.id, 'cancel');
  },
};

function stopping(): boolean {
  return going?.stopping === true;
}

/** Whether the run was finished. */
async function carryOut(experiment: string, name: string): Promise<boolean> {
  if (stopping()) return false;
  going = { experiment, run: name, id: undefined, stopping: false };
  const { run } = await compute.experiments.start({ experiment, run: name });
  going = { experiment, run: name, id: run, stopping: stopping() };
  await runs.refresh();
  runs.watch(run);
  if (stopping()) await runs.control(run, 'cancel');
  for await (const update of await compute.runs.watch({ run })) {
    if (update.type === 'state' && !isActive(update.run.status)) break;
  }
  await runs.refresh();
  return runs.find(run)?.status === 'done';
}
