/** What experts reached on their own tasks, for runs after one another that ask for the same. */
import type { Engine } from '../engine/engine.ts';
import type { TaskEvaluation } from '../evaluation/tally.ts';
import type { RunInputs } from './inputs.ts';
import { engineText } from './run-start.ts';

export class ExpertResults {
  readonly #kept = new Map<string, TaskEvaluation>();

  /** The result of a task's expert, measured unless the same expert was on the same images and head before. */
  async of(
    task: string,
    { inputs, engine, batch }: { inputs: RunInputs; engine: Engine; batch: number },
    measure: () => Promise<TaskEvaluation>,
  ): Promise<TaskEvaluation> {
    const { fingerprints } = inputs;
    const key = JSON.stringify([
      fingerprints.get(`expert/${task}`),
      fingerprints.get(`task/${task}`),
      engineText(engine),
      batch,
    ]);
    const found = this.#kept.get(key) ?? (await measure());
    this.#kept.set(key, found);
    return { ...found, task };
  }
}
