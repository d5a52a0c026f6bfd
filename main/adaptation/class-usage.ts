/**
 * How many of its classes a model uses on each task while it adapts, without any label. Entropy minimisation has a
 * trivial solution, one class for all images; there the entropy of the mean prediction, H(E p), falls towards 0.
 */
import type { StepReport } from './adapt.ts';

/** Below this share of the most that a task's usage has been, its predictions have collapsed. */
const collapseShare = 0.5;

/** Steps that averages reach back: (1 + β) / (1 − β) of an exponential average with factor β. */
const reach = 19;
/** The mean prediction is that of at least this many images for each class, as few images show few classes. */
const imagesPerClass = 2;

/** Factor of the averages of mutual information: reaches back 19 steps. */
const beta = (reach - 1) / (reach + 1);

/** All of it, as JSON keeps it. */
export interface ClassUsageState {
  readonly seen: number;
  readonly tasks: readonly {
    /** Exponential average of the mean predictions, not yet divided by 1 − β^seen. */
    readonly prediction: readonly number[];
    readonly information: number;
    /** The most that `usage` has been. */
    readonly peak: number;
  }[];
}

interface TaskUsage {
  readonly prediction: Float64Array;
  /** Of `prediction`. */
  readonly factor: number;
  information: number;
  peak: number;
}

export interface CollapsedTask {
  /** Index of the task. */
  readonly task: number;
  /** H(E p) / log C now, and the most it has been. */
  readonly usage: number;
  readonly peak: number;
}

export class ClassUsage {
  #seen: number;
  readonly #tasks: TaskUsage[];

  /** For tasks with these numbers of classes, and `batch` images of each in a step. */
  constructor(classCounts: readonly number[], batch: number, state?: ClassUsageState) {
    this.#seen = state?.seen ?? 0;
    this.#tasks = classCounts.map((count, task) => {
      const steps = Math.max(reach, (imagesPerClass * count) / batch);
      const saved = state?.tasks[task];
      return {
        prediction: Float64Array.from(saved?.prediction ?? new Float64Array(count)),
        factor: (steps - 1) / (steps + 1),
        information: saved?.information ?? 0,
        peak: saved?.peak ?? 0,
      };
    });
  }

  observe({ marginal, entropy }: Pick<StepReport, 'marginal' | 'entropy'>): void {
    this.#seen += 1;
    this.#tasks.forEach((task, t) => {
      const mean = marginal[t] ?? new Float32Array();
      const { prediction, factor } = task;
      prediction.forEach((sum, c) => {
        prediction[c] = factor * sum + (1 - factor) * (mean[c] ?? 0);
      });
      // Of one step at a time: a mean over steps would take a change in time for information.
      const information = entropyOf(mean) - (entropy[t] ?? 0);
      task.information = beta * task.information + (1 - beta) * information;
      task.peak = Math.max(task.peak, this.#usageOf(task));
    });
  }

  /** H(E p) / log C by task: 1 when all classes are given equally often, 0 when only one is. */
  get usage(): number[] {
    return this.#tasks.map((task) => this.#usageOf(task));
  }

  /** Mutual information H(E p) − E H(p) of image and predicted class within a step, smoothed, nats by task. */
  get information(): number[] {
    const correction = 1 - beta ** this.#seen;
    return this.#tasks.map(({ information }) => information / correction);
  }

  /**
   * What the best step has least of: minus the mean logarithm of the tasks' mutual information. It falls when
   * predictions become sure and stay diverse; a mean of logarithms as no task shall pay for the others.
   */
  get score(): number {
    const logs = this.information.map((nats) => Math.log(Math.max(nats, 1e-3)));
    return -logs.reduce((sum, log) => sum + log, 0) / logs.length;
  }

  get collapsed(): CollapsedTask[] {
    return this.#tasks.flatMap((each, task) => {
      const usage = this.#usageOf(each);
      return usage < collapseShare * each.peak ? [{ task, usage, peak: each.peak }] : [];
    });
  }

  get state(): ClassUsageState {
    return {
      seen: this.#seen,
      tasks: this.#tasks.map(({ prediction, information, peak }) => ({
        prediction: [...prediction],
        information,
        peak,
      })),
    };
  }

  #usageOf({ prediction, factor }: TaskUsage): number {
    if (prediction.length < 2) return 1;
    const correction = 1 - factor ** this.#seen;
    return entropyOf(prediction.map((sum) => sum / correction)) / Math.log(prediction.length);
  }
}

function entropyOf(probabilities: Float32Array | Float64Array): number {
  let entropy = 0;
  for (const p of probabilities) if (p > 0) entropy -= p * Math.log(p);
  return entropy;
}
