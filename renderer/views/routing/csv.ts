/** λ of all layers, one number a line. */
import type { Routing } from '../../../main/api/routing.ts';
import type { Moment } from './frames.ts';

interface Part {
  readonly run: string;
  readonly method: string;
  readonly routing: Routing;
  readonly moment: Moment;
}

const head = [
  'run',
  'method',
  'step',
  'layer',
  'source_task',
  'expert',
  'lambda_mean',
  'lambda_std',
];

/** Text of the file; `step` is "test" for the adapted model on the test images, which alone have a deviation. */
export function toCsv(parts: readonly Part[]): string {
  const lines = parts.flatMap(({ run, method, routing, moment }) =>
    moment.lambda.flatMap((rows, layer) =>
      rows.flatMap((row, t) =>
        row.map((mean, k) =>
          // Runs, methods and tasks are names of the contract: no commas, quotes or formulas.
          [
            run,
            method,
            moment.step,
            layer,
            routing.tasks[t] ?? '',
            routing.experts[k] ?? '',
            mean,
            moment.deviation?.[layer]?.[t]?.[k] ?? '',
          ].join(','),
        ),
      ),
    ),
  );
  return `${[head.join(','), ...lines].join('\n')}\n`;
}
