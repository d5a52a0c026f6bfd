/** Task vectors of the project, measured once as long as no checkpoint changes. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { VectorReport } from '../api/project.ts';
import type { StoredCheckpoint } from '../checkpoints/checkpoint.ts';
import { openExpert, openModel } from '../checkpoints/open-model.ts';
import { AppError } from '../lib/errors.ts';
import { checkCompatible } from '../merging/compatibility.ts';
import { measureTaskVectors, type TaskVectorReport } from '../merging/task-vectors.ts';
import type { OpenProject } from './open-project.ts';

type Measured = Omit<VectorReport, 'type'>;

export interface MeasureOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export class TaskVectorCache {
  readonly #reports = new Map<string, Measured>();

  /**
   * Measures the experts that fit the base; the others are left out, as their cards say why they do not.
   * Throws `project.incomplete` without a base, what reading throws, and CancelledError.
   */
  async measure(project: OpenProject, { signal, onProgress }: MeasureOptions): Promise<Measured> {
    const { materials } = project;
    if (materials.base === null) {
      throw new AppError('project.incomplete', {
        what: 'the project has no base model to measure task vectors from',
        hint: 'choose the base model first',
      });
    }
    const basePath = project.absolute(materials.base);
    const base = await openModel(basePath);
    const experts: { id: string; checkpoint: StoredCheckpoint }[] = [];
    try {
      for (const { id, expert } of materials.tasks) {
        const checkpoint = await openFitting(() => project.absolute(expert), basePath, base);
        if (checkpoint !== undefined) experts.push({ id, checkpoint });
      }
      const key = JSON.stringify([
        await stateOf(base.path),
        ...(await Promise.all(
          experts.map(async ({ id, checkpoint: { path } }) => [id, await stateOf(path)]),
        )),
      ]);
      const known = this.#reports.get(key);
      if (known !== undefined) return known;
      const report = await measureTaskVectors(
        base,
        experts.map(({ checkpoint }) => checkpoint),
        { signal, onProgress: ({ index, total }) => onProgress(index, total) },
      );
      const ids = experts.map(({ id }) => id);
      const measured = present(ids, report);
      this.#reports.set(key, measured);
      return measured;
    } finally {
      await base.close();
      for (const { checkpoint } of experts) await checkpoint.close();
    }
  }
}

async function openFitting(
  path: () => string,
  basePath: string,
  base: StoredCheckpoint,
): Promise<StoredCheckpoint | undefined> {
  let checkpoint: StoredCheckpoint | undefined;
  try {
    checkpoint = await openExpert(path(), basePath);
    checkCompatible(base, [checkpoint]);
    return checkpoint;
  } catch (error) {
    await checkpoint?.close();
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

/** Names, sizes and times of the files of a checkpoint: quick to ask, and different once weights are. */
async function stateOf(path: string): Promise<unknown> {
  const names = (await stat(path)).isDirectory() ? (await readdir(path)).sort() : [''];
  const files = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(path, name));
      return [name, size, mtimeMs];
    }),
  );
  return [path, files];
}

function present(tasks: string[], { whole, layers, cosines }: TaskVectorReport): Measured {
  return {
    tasks,
    norms: [...whole.experts],
    relativeNorms: whole.experts.map((norm) => (whole.base === 0 ? 0 : norm / whole.base)),
    layers: layers.map(({ name }) => (/^\d+$/.test(name) ? `layer ${name}` : name)),
    layerNorms: tasks.map((_, k) => layers.map(({ experts }) => experts[k] ?? 0)),
    cosine: cosines.map((row) => [...row]),
  };
}
