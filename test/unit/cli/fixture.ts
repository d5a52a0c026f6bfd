import type { Terminal } from '../../../main/cli/terminal.ts';
import { normalizedAverage, type Report } from '../../../main/runs/report.ts';

export const plain = (width: number): Terminal => ({ isTTY: false, colour: 'none', width });

/** Results of four methods on `tasks`; every second task synthetic, `wemoe_2` best but on the first task. */
export function reportOf(tasks: readonly string[]): Report {
  const rows: readonly [id: string, title: string, base: number][] = [
    ['pretrained', 'Pre-trained', 0.3],
    ['individual', 'Individual models', 0.9],
    ['task_arithmetic', 'Task arithmetic', 0.5],
    ['wemoe_2', 'WEMoE, l = 2', 0.8],
  ];
  const accuracies = rows.map(([id, , base]) =>
    Object.fromEntries(
      tasks.map((task, k) => [task, id === 'task_arithmetic' && k === 0 ? 0.875 : base + k / 100]),
    ),
  );
  return {
    schema: 1,
    recipe: '',
    seed: 0,
    engine: { id: 'onnx', title: '', device: 'cpu', precision: 'fp32', threads: 2 },
    adaptationData: '',
    tasks: [...tasks],
    taskDetails: tasks.map((id, k) => ({
      id,
      title: id,
      classes: 10,
      images: 500,
      synthetic: k % 2 === 1,
    })),
    methods: rows.map(([id, title], row) => {
      const accuracy = accuracies[row] ?? {};
      const values = Object.values(accuracy);
      return {
        id,
        title,
        average: values.reduce((sum, value) => sum + value, 0) / values.length,
        normalizedAverage: normalizedAverage(accuracy, accuracies[1], tasks),
        accuracy,
      };
    }),
    run: '.',
    exported: null,
  };
}
