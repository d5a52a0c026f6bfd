/** What finished methods left, kept in memory while a person looks at it. */
import { stat } from 'node:fs/promises';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import { loadPredictions, loadRouting, type TaskPredictions } from '../runs/method-result.ts';
import type { RunFolder } from '../runs/run-folder.ts';

/** Methods whose routing is kept; one holds every λ of every image. */
const keptMethods = 6;

/** Results do not change once they are there, but a run may be replaced by another with its name. */
class Recent<Value> {
  readonly #kept = new Map<string, Promise<Value>>();
  readonly #load: (run: RunFolder, method: string) => Promise<Value>;

  constructor(load: (run: RunFolder, method: string) => Promise<Value>) {
    this.#load = load;
  }

  async get(run: RunFolder, method: string): Promise<Value> {
    const { mtimeMs } = await stat(run.methodsFolder).catch(() => ({ mtimeMs: 0 }));
    const key = `${run.folder} ${method} ${String(mtimeMs)}`;
    const value = this.#kept.get(key) ?? this.#load(run, method);
    this.#kept.delete(key);
    this.#kept.set(key, value);
    value.catch(() => this.#kept.delete(key));
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > keptMethods && oldest !== undefined) this.#kept.delete(oldest);
    return value;
  }
}

export class Results {
  readonly #routing = new Recent(loadRouting);
  readonly #predictions = new Recent(loadPredictions);

  /** λ [images, layers, K] by task. Throws `run.no_result` for a method without routers. */
  async routing(run: RunFolder, method: string): Promise<ReadonlyMap<string, Tensor>> {
    const routing = await this.#routing.get(run, method);
    if (routing.size > 0) return routing;
    throw noResult(run, `method "${method}" has no routing weights`);
  }

  /** Throws `run.no_result` when the method has not finished, or has no such task. */
  async predictions(run: RunFolder, method: string, task: string): Promise<TaskPredictions> {
    const found = (await this.#predictions.get(run, method)).get(task);
    if (found !== undefined) return found;
    throw noResult(run, `method "${method}" has no predictions for task "${task}"`);
  }
}

export function noResult(run: RunFolder, what: string): AppError {
  return new AppError('run.no_result', {
    what: `${what} in this run`,
    where: run.folder,
    hint: 'choose a method that has finished, and one of its tasks',
  });
}
