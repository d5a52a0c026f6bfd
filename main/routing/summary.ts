/** Routing weights summed up for people: which expert does each layer use for which task's images? */
import type { Tensor } from '../lib/tensor.ts';

export interface RoutingSummary {
  /** Task ids of the rows, in the order of `mean[layer]`. */
  readonly tasks: readonly string[];
  /** Mean λ [layer][source task][expert]. */
  readonly mean: readonly (readonly (readonly number[])[])[];
  /** Standard deviation of λ over the images, same indices. */
  readonly deviation: readonly (readonly (readonly number[])[])[];
  /**
   * Share of a task's images whose largest λ is that of the task's own expert [layer][task] (the
   * "first choice" matrix of Tang et al. 2024, figure 12); expert k belongs to task k.
   */
  readonly firstChoice: readonly (readonly number[])[];
}

/** `routing`: λ [images, layers, K] by task id, in expert order. */
export function summariseRouting(routing: ReadonlyMap<string, Tensor>): RoutingSummary {
  const tasks = [...routing.keys()];
  const perTask = [...routing.values()].map((lambdas, task) => summariseTask(lambdas, task));
  const layers = perTask[0]?.length ?? 0;
  const byLayer = <T>(pick: (summary: LayerSummary) => T): T[][] =>
    Array.from({ length: layers }, (_, layer) =>
      perTask.flatMap((summaries) => {
        const summary = summaries[layer];
        return summary === undefined ? [] : [pick(summary)];
      }),
    );
  return {
    tasks,
    mean: byLayer(({ mean }) => mean),
    deviation: byLayer(({ deviation }) => deviation),
    firstChoice: byLayer(({ own }) => own),
  };
}

interface LayerSummary {
  readonly mean: number[];
  readonly deviation: number[];
  readonly own: number;
}

function summariseTask({ shape, data }: Tensor, task: number): LayerSummary[] {
  const [images = 0, layers = 0, experts = 0] = shape;
  return Array.from({ length: layers }, (_, layer) => {
    const sum = new Float64Array(experts);
    const squares = new Float64Array(experts);
    let own = 0;
    for (let image = 0; image < images; image++) {
      const start = (image * layers + layer) * experts;
      let best = 0;
      for (let k = 0; k < experts; k++) {
        const lambda = data[start + k] ?? 0;
        sum[k] = (sum[k] ?? 0) + lambda;
        squares[k] = (squares[k] ?? 0) + lambda * lambda;
        if (lambda > (data[start + best] ?? 0)) best = k;
      }
      if (best === task) own++;
    }
    const mean = Array.from(sum, (total) => total / images);
    const deviation = mean.map((m, k) =>
      Math.sqrt(Math.max(0, (squares[k] ?? 0) / images - m * m)),
    );
    return { mean, deviation, own: own / images };
  });
}

/** Mean λ [layer][expert] over all images of all tasks, every task weighing the same. */
export function meanRouting({ mean }: RoutingSummary): number[][] {
  return mean.map((tasks) => {
    const experts = tasks[0]?.length ?? 0;
    return Array.from(
      { length: experts },
      (_, k) => tasks.reduce((sum, row) => sum + (row[k] ?? 0), 0) / tasks.length,
    );
  });
}
