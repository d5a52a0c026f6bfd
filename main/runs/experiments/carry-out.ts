/** The runs of an experiment, one after another: what is done already is kept, what was interrupted goes on. */
import { throwIfCancelled } from '../../lib/errors.ts';
import type { ChosenEngine } from '../../engine/choice.ts';
import { Adaptations } from '../adaptations.ts';
import { ExpertResults } from '../expert-results.ts';
import { loadInputs, type RunInputs } from '../inputs.ts';
import { runJob, type JobOptions } from '../job.ts';
import { resolveRecipePaths, type Recipe } from '../recipe.ts';
import { engineOf, engineToGoOn } from '../run-engine.ts';
import { createRun, type RunFolder, type RunSummary } from '../run-folder.ts';
import type { ExperimentRun } from './expand.ts';
import { formerRuns } from './finished.ts';
import type { ModelSet } from './model-set.ts';

type Watch = Pick<JobOptions, 'onLoad' | 'onEvent' | 'onProgress' | 'onExport'>;

export interface ExperimentOptions {
  /** The project folder that gets the runs, and where finished ones are looked for. */
  readonly project: string;
  readonly models: ModelSet;
  readonly signal: AbortSignal;
  /** Told of each run before it starts, or that it is there already; `index` counts from 0. */
  readonly onRun: (run: ExperimentRun, index: number, done: boolean) => void;
  readonly watch: (recipe: Recipe, engine: ChosenEngine) => Watch;
}

/** Runs what is not done yet; returns the runs in the order of `wanted`. Throws what `runJob` throws. */
export async function carryOut(
  wanted: readonly ExperimentRun[],
  options: ExperimentOptions,
): Promise<RunFolder[]> {
  const { project, models, signal, onRun } = options;
  const former = await formerRuns(project, wanted, models.folder);
  const materials = new LoadedInputs();
  const shared = { experts: new ExpertResults(), adaptations: new Adaptations() };
  const runs: RunFolder[] = [];
  try {
    for (const [index, run] of wanted.entries()) {
      throwIfCancelled(signal);
      const found = former[index];
      onRun(run, index, found?.status === 'done');
      runs.push(
        found?.status === 'done'
          ? found.run
          : await carryOutOne(run, found, { ...options, materials, ...shared }),
      );
    }
  } finally {
    await materials.close();
  }
  return runs;
}

async function carryOutOne(
  { recipe }: ExperimentRun,
  former: RunSummary | undefined,
  {
    project,
    models,
    signal,
    watch,
    materials,
    experts,
    adaptations,
  }: ExperimentOptions & { materials: LoadedInputs } & Pick<JobOptions, 'experts' | 'adaptations'>,
): Promise<RunFolder> {
  const { folder } = models;
  const engine = await (former === undefined
    ? engineOf(recipe, folder)
    : engineToGoOn(former.run));
  const watched = watch(recipe, engine);
  const inputs = await materials.of(resolveRecipePaths(recipe, folder), watched.onLoad, signal);
  const run = former?.run ?? (await createRun(project, recipe, folder));
  await runJob(run, { engine, inputs, experts, adaptations, signal, ...watched });
  return run;
}

/** What the last recipe named, for the next one that names the same. */
class LoadedInputs {
  #key = '';
  #inputs: RunInputs | undefined;

  async of(
    recipe: Recipe,
    onLoad: Watch['onLoad'],
    signal: AbortSignal,
  ): Promise<RunInputs> {
    const { base, tasks, preprocessing, corruption, seed } = recipe;
    const key = JSON.stringify([base, tasks, preprocessing, corruption, corruption && seed]);
    if (this.#inputs !== undefined && key === this.#key) return this.#inputs;
    await this.close();
    this.#inputs = await loadInputs(recipe, onLoad, signal);
    this.#key = key;
    return this.#inputs;
  }

  async close(): Promise<void> {
    const inputs = this.#inputs;
    this.#inputs = undefined;
    await inputs?.close();
  }
}
