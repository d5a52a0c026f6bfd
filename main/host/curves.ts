/** The curves of a run as its events draw them, thinned out where there are more points than a screen shows. */
import type { Collapse } from '../api/report.ts';
import type { Curves } from '../api/runs.ts';
import { catalogueEntry, methodCatalogue, titleOf } from '../runs/catalogue.ts';
import type { RunEvent } from '../runs/events.ts';
import { seenTasks } from '../runs/protocol.ts';
import type { Recipe, RecipeMethod } from '../runs/recipe.ts';

/** Points of a curve that are handed out, and that are kept. */
const shownPoints = 1000;
const keptPoints = 4 * shownPoints;

/** How much of a method's curves a listener has; `generation` changes when kept points were thinned. */
export interface CurveCursor {
  readonly generation: number;
  readonly steps: number;
  readonly drift: number;
  readonly accuracy: number;
  readonly keptStep: number | null;
  readonly collapses: number;
}

/** The curves of all methods of a run. */
export class RunCurves {
  readonly #recipe: Recipe;
  readonly #methods = new Map<string, MethodCurves>();

  constructor(recipe: Recipe, events: readonly RunEvent[] = []) {
    this.#recipe = recipe;
    for (const event of events) this.add(event);
  }

  /** In the order the methods adapted. */
  get methods(): readonly MethodCurves[] {
    return [...this.#methods.values()];
  }

  add(event: RunEvent): void {
    if (!('method' in event)) return;
    let curves = this.#methods.get(event.method);
    if (event.type === 'method.started' && event.steps > 0) curves = undefined;
    else if (curves === undefined) return;
    if (curves === undefined) {
      const entry = this.#recipe.methods.find(({ id }) => id === event.method);
      if (entry === undefined) return;
      curves = new MethodCurves(
        entry,
        seenTasks(this.#recipe).map(({ id }) => id),
      );
      this.#methods.set(event.method, curves);
    }
    curves.add(event);
  }
}

class MethodCurves {
  readonly method: string;
  readonly #title: string;
  readonly #tasks: readonly string[];
  readonly #lambda0: number;
  #steps: number[] = [];
  #loss: number[] = [];
  #entropy: number[][] = [];
  /** Rows are empty in runs of earlier versions. */
  #usage: number[][] = [];
  readonly #driftSteps: number[] = [];
  readonly #drift: number[][] = [];
  readonly #accuracySteps: number[] = [];
  readonly #accuracy: number[][] = [];
  #keptStep: number | null = null;
  readonly #collapses: Collapse[] = [];
  #generation = 0;
  /** Only every so many steps are kept. */
  #stride = 1;

  constructor(entry: RecipeMethod, tasks: readonly string[]) {
    this.method = entry.id;
    this.#title = methodCatalogue.ids.includes(entry.method) ? titleOf(entry) : entry.id;
    this.#tasks = tasks;
    this.#lambda0 = lambda0Of(entry);
  }

  add(event: RunEvent): void {
    switch (event.type) {
      case 'adaptation.step':
        if ((event.step - 1) % this.#stride !== 0) return;
        this.#steps.push(event.step);
        this.#loss.push(event.loss);
        this.#entropy.push(this.#tasks.map((task) => event.entropy[task] ?? 0));
        this.#usage.push(this.#tasks.flatMap((task) => event.usage?.[task] ?? []));
        if (this.#steps.length > keptPoints) this.#thin();
        return;
      case 'adaptation.routing':
        this.#driftSteps.push(event.step);
        this.#drift.push(event.lambda.map((rows) => meanDistance(rows.flat(), this.#lambda0)));
        return;
      case 'adaptation.accuracy':
        this.#accuracySteps.push(event.step);
        this.#accuracy.push(this.#tasks.map((task) => event.accuracy[task] ?? 0));
        return;
      case 'adaptation.stopped':
        this.#keptStep = event.keptStep;
        return;
      case 'adaptation.collapsed': {
        const { type: _type, method: _method, ...collapse } = event;
        this.#collapses.push(collapse);
        return;
      }
      default:
        return;
    }
  }

  get cursor(): CurveCursor {
    return {
      generation: this.#generation,
      steps: this.#steps.length,
      drift: this.#driftSteps.length,
      accuracy: this.#accuracySteps.length,
      keptStep: this.#keptStep,
      collapses: this.#collapses.length,
    };
  }

  /** The points after `from`; undefined when there are none. */
  since(from: CurveCursor): Curves | undefined {
    const { steps, drift, accuracy, keptStep, collapses } = this.cursor;
    const unchanged =
      steps === from.steps &&
      drift === from.drift &&
      accuracy === from.accuracy &&
      keptStep === from.keptStep &&
      collapses === from.collapses;
    if (unchanged) return undefined;
    const points = Array.from({ length: steps - from.steps }, (_, i) => from.steps + i);
    return this.#present(points, from.drift, from.accuracy);
  }

  /** At most about a thousand points, the last one among them. */
  present(): Curves {
    const count = this.#steps.length;
    const every = Math.max(1, Math.ceil(count / shownPoints));
    const points: number[] = [];
    for (let i = 0; i < count; i += every) points.push(i);
    if (count > 0 && points.at(-1) !== count - 1) points.push(count - 1);
    return this.#present(points, 0, 0);
  }

  #present(points: readonly number[], drift: number, accuracy: number): Curves {
    const pick = <T>(values: readonly T[]): T[] => points.flatMap((i) => values[i] ?? []);
    const byTask = (rows: readonly (readonly number[])[]) =>
      Object.fromEntries(this.#tasks.map((task, t) => [task, rows.map((row) => row[t] ?? 0)]));
    return {
      method: this.method,
      title: this.#title,
      steps: pick(this.#steps),
      loss: pick(this.#loss),
      entropy: byTask(points.map((i) => this.#entropy[i] ?? [])),
      usage: this.#usage[0]?.length === 0 ? {} : byTask(points.map((i) => this.#usage[i] ?? [])),
      driftSteps: this.#driftSteps.slice(drift),
      drift: this.#drift.slice(drift),
      accuracySteps: this.#accuracySteps.slice(accuracy),
      accuracy: byTask(this.#accuracy.slice(accuracy)),
      keptStep: this.#keptStep,
      collapses: [...this.#collapses],
    };
  }

  #thin(): void {
    const half = <T>(values: readonly T[]): T[] => values.filter((_, i) => i % 2 === 0);
    this.#steps = half(this.#steps);
    this.#loss = half(this.#loss);
    this.#entropy = half(this.#entropy);
    this.#usage = half(this.#usage);
    this.#stride *= 2;
    this.#generation += 1;
  }
}

/** Where the coefficients of a method start. */
export function lambda0Of({ method, parameters }: RecipeMethod): number {
  const given = parameters['lambda'];
  if (typeof given === 'number') return given;
  if (!methodCatalogue.ids.includes(method)) return 0;
  const table = catalogueEntry(method).method.parameters;
  const usual = table['lambda']?.default;
  return typeof usual === 'number' ? usual : 0;
}

function meanDistance(values: readonly number[], from: number): number {
  const total = values.reduce((sum, value) => sum + Math.abs(value - from), 0);
  return values.length === 0 ? 0 : total / values.length;
}
