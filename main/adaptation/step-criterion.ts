/** Which step of an adaptation is best, told without labels. */
import type { StepReport } from './adapt.ts';
import { ClassUsage, type ClassUsageState } from './class-usage.ts';
import type { Objective } from './objective.ts';

/** Of the exponential average of the loss; single losses are those of one batch each. */
const beta = 0.9;

/** All of it, so that a resumed adaptation goes on comparing where it was. */
export interface StepCriterionState {
  /** m ← β m + (1 − β) loss after `seen` losses; divided by 1 − β^seen as in Adam, so that it is not drawn towards 0. */
  readonly average: number;
  readonly seen: number;
  readonly usage: ClassUsageState;
}

export interface StepCriterionShape {
  readonly objective: Objective;
  /** Classes of each task. */
  readonly classCounts: readonly number[];
  /** Images of each task in a step. */
  readonly batch: number;
}

export class StepCriterion {
  readonly #shape: StepCriterionShape;
  #usage: ClassUsage;
  #average = 0;
  #seen = 0;

  constructor(shape: StepCriterionShape, state?: StepCriterionState) {
    this.#shape = shape;
    this.#usage = new ClassUsage(shape.classCounts, shape.batch);
    if (state !== undefined) this.restore(state);
  }

  get usage(): ClassUsage {
    return this.#usage;
  }

  observe(report: Pick<StepReport, 'loss' | 'marginal' | 'entropy'>): void {
    this.#seen += 1;
    this.#average = beta * this.#average + (1 - beta) * report.loss;
    this.#usage.observe(report);
  }

  /**
   * Lower is better: the smoothed loss, such as the distance from the experts. Entropy has its least where all
   * images get one class, so there it is the mutual information of image and class; see class-usage.ts.
   */
  get score(): number {
    if (this.#shape.objective === 'entropy') return this.#usage.score;
    return this.#average / (1 - beta ** this.#seen);
  }

  get state(): StepCriterionState {
    return { average: this.#average, seen: this.#seen, usage: this.#usage.state };
  }

  restore({ average, seen, usage }: StepCriterionState): void {
    this.#average = average;
    this.#seen = seen;
    this.#usage = new ClassUsage(this.#shape.classCounts, this.#shape.batch, usage);
  }
}
