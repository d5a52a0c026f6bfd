/** A routing that can be checked by hand: three tasks, two layers, the second of which routes. */
import type { Routing } from '../../../main/api/routing.ts';
import type { Source } from '../../../renderer/views/routing/frames.ts';

const mean = [
  [
    [0.6, 0.3, 0.2],
    [0.7, 0.4, 0.1],
    [0.3, 0.2, 0.5],
  ],
  [
    [1.2, -0.1, 0],
    [0.1, 1.1, 0],
    [0, 0, 1],
  ],
];

export function routingOf(): Routing {
  return {
    method: 'wemoe',
    title: 'WEMoE',
    tasks: ['a', 'b', 'c'],
    experts: ['a', 'b', 'c'],
    layers: 2,
    lambda0: 0.3,
    images: { a: 10, b: 10, c: 10 },
    corruptions: {},
    mean,
    deviation: mean.map((rows) => rows.map((row) => row.map(() => 0.1))),
    firstChoice: [
      [0.5, 0, 0.4],
      [0.9, 0.9, 0.9],
    ],
  };
}

export function sourceOf({ steps }: { steps: number[] }): Source {
  const start = mean.map((rows) => rows.map((row) => row.map(() => 0.3)));
  return {
    run: 'run-0001',
    runTitle: 'A <run> & "more"',
    method: 'wemoe',
    title: 'Method',
    routing: routingOf(),
    snapshots: { steps, mean: steps.map(() => start) },
  };
}
