import { describe, expect, it } from 'vitest';
import type { MethodReport, Report } from '../../../main/api/report.ts';
import type { RunCard } from '../../../main/api/runs.ts';
import {
  classDifferences,
  notableDifferences,
  summariseDifferences,
} from '../../../renderer/views/compare/classes.ts';
import { footnotes, listText } from '../../../renderer/views/compare/footnote.ts';
import { headline } from '../../../renderer/views/compare/headline.ts';
import {
  bestMerge,
  defaultChoice,
  distinctTitles,
  modelsOf,
  normalizedOn,
  tasksOf,
  type Model,
} from '../../../renderer/views/compare/models.ts';
import { bestIn, comparisonCsv, sortModels } from '../../../renderer/views/compare/table.ts';

function result(id: string, mnist: number, signs: number, more: Partial<MethodReport> = {}) {
  const average = (mnist + signs) / 2;
  const normalizedAverage = (mnist / 0.8 + signs / 0.5) / 2;
  return { id, title: id, average, normalizedAverage, accuracy: { mnist, signs }, ...more };
}

const methods: MethodReport[] = [
  result('pretrained', 0.2, 0.1),
  result('individual', 0.8, 0.5),
  result('task_arithmetic', 0.4, 0.3),
  result('ties', 0.5, 0.3),
  result('adamerging_task', 0.45, 0.3, { method: 'adamerging' }),
  result('adamerging_layer', 0.6, 0.3, { method: 'adamerging' }),
  result('wemoe_1', 0.72, 0.5, { method: 'wemoe' }),
  result('wemoe_2', 0.7, 0.5, { method: 'wemoe' }),
];

function reportOf(list: readonly MethodReport[], images = 100): Report {
  return {
    schema: 1,
    recipe: '0'.repeat(64),
    seed: 0,
    engine: { id: 'onnx', title: 'ONNX Runtime', device: 'cpu', precision: 'fp32', threads: 1 },
    adaptationData: 'the test images of every task without their labels',
    tasks: ['mnist', 'signs'],
    taskDetails: [
      { id: 'mnist', title: 'MNIST', classes: 3, images, synthetic: false },
      { id: 'signs', title: 'Signs', classes: 3, images: 100, synthetic: true },
    ],
    methods: [...list],
    run: '.',
    exported: null,
  };
}

function cardOf(id: string, title = id): RunCard {
  return {
    id,
    title,
    status: 'done',
    message: null,
    createdAt: '2026-01-01T00:00:00Z',
    changedAt: '2026-01-01T00:00:00Z',
    starred: false,
    note: '',
    tasks: ['mnist', 'signs'],
    methods: [],
    best: null,
    bytes: 1,
  };
}

const models = modelsOf({ card: cardOf('run-1', 'Demo'), report: reportOf(methods) });
const tasks = tasksOf(models);
const named = (method: string): Model => models.find((model) => model.method === method)!;

describe('models of runs', () => {
  it('opens with the individual models, a baseline and the best of each adaptive method', () => {
    expect(defaultChoice(models)).toEqual([
      'run-1/individual',
      'run-1/task_arithmetic',
      'run-1/adamerging_layer',
      'run-1/wemoe_1',
    ]);
  });

  it('fills up with the next best merges where those methods are missing', () => {
    const few = methods.filter(({ id }) => ['individual', 'ties', 'wemoe_2'].includes(id));
    const chosen = defaultChoice(modelsOf({ card: cardOf('r'), report: reportOf(few) }));
    expect(chosen).toEqual(['r/individual', 'r/ties', 'r/wemoe_2']);
  });

  it('divides by the individual model of the same run and by nothing else', () => {
    expect(normalizedOn(named('wemoe_1'), 'mnist')).toBeCloseTo(0.9);
    const alone = modelsOf({ card: cardOf('r'), report: reportOf([result('ties', 0.5, 0.3)]) });
    expect(normalizedOn(alone[0]!, 'mnist')).toBeNull();
    expect(normalizedOn(named('wemoe_1'), 'toString')).toBeNull();
  });

  it('names the run only where that is needed to tell models apart', () => {
    expect(distinctTitles(models).get('run-1/ties')).toBe('ties');
    const second = modelsOf({ card: cardOf('run-2', 'Demo'), report: reportOf(methods) });
    expect(distinctTitles([...models, ...second]).get('run-2/ties')).toBe('ties · run-2');
  });

  it('notices that runs were measured on different data', () => {
    const other = modelsOf({ card: cardOf('run-2'), report: reportOf(methods, 50) });
    const both = [...models, ...other];
    expect(tasksOf(both)[0]?.images).toEqual([50, 100]);
    expect(footnotes(both, tasksOf(both)).join(' ')).toContain(
      'different test images of MNIST: compare',
    );
  });
});

it('the headline names what is kept, the strongest and the weakest task', () => {
  const answer = headline(named('wemoe_1'), tasks)!;
  expect(answer.kept).toBeCloseTo(0.95);
  expect(answer.weakest?.task.id).toBe('mnist');
  expect(answer.weakest?.kept).toBeCloseTo(0.9);
  expect(answer.strongest?.task.id).toBe('signs');
  expect([answer.reached, answer.tasks]).toEqual([1, 2]);
});

it('footnotes say what adapted methods saw, and only where one is shown', () => {
  const text = footnotes([named('wemoe_1'), named('adamerging_layer')], tasks).join(' ');
  expect(text).toContain('WEMoE and AdaMerging adapted on the test images of every task without');
  expect(text).toContain('100 images of each task');
  expect(text).toContain('Drawn by a program instead of collected: Signs.');
  expect(footnotes([named('ties')], tasks).join(' ')).not.toContain('adapted');
  expect(listText(['a', 'b', 'c'])).toBe('a, b and c');
});

it('footnotes say which merges must be told the task', () => {
  const list = [
    ...methods,
    result('operated', 0.7, 0.5, { method: 'surgery', title: 'Surgery on ties', taskKnown: true }),
  ];
  const all = modelsOf({ card: cardOf('run-1'), report: reportOf(list) });
  const told = all.find(({ method }) => method === 'operated')!;
  const text = footnotes([told, named('ties')], tasks).join(' ');
  expect(text).toContain('Features of Surgery on ties depend on the task of an image');
  expect(text).toContain('Surgery adapted on the test images');
  expect(footnotes([named('ties')], tasks).join(' ')).not.toContain('depend on the task');
});

it('footnotes say what was unseen, corrupted, mixed, and what collapsed', () => {
  const collapse = { task: 'mnist', step: 9, usage: 0.2, peak: 0.8, action: 'none' } as const;
  const report = reportOf([result('wemoe', 0.5, 0.5, { collapses: [collapse] })]);
  const [first, second] = report.taskDetails;
  const harder: Report = {
    ...report,
    mixed: { adaptation: false, evaluation: true },
    taskDetails: [
      { ...first!, corruption: { kind: 'motion_blur', severity: 2, constants: 'by-size' } },
      { ...second!, unseen: true },
    ],
  };
  const hard = modelsOf({ card: cardOf('hard'), report: harder });
  const text = footnotes(hard, tasksOf(hard)).join(' ');
  expect(text).toContain('° Unseen in “hard”: Signs were only measured');
  expect(text).toContain('corrupted images of MNIST (motion blur, severity 2)');
  expect(text).toContain('in batches of mixed tasks');
  expect(text).toContain('its predictions on mnist collapsed');
  expect(tasksOf(hard).map(({ unseen }) => unseen)).toEqual([false, true]);
  expect(footnotes(models, tasks).join(' ')).not.toMatch(/nseen in|orrupted|mixed|collapsed/);
});

describe('the table', () => {
  it('marks the best merge of a column, never a reference', () => {
    expect(bestIn(models, { kind: 'task', task: 'mnist' }, 'accuracy')).toEqual(
      new Set(['run-1/wemoe_1']),
    );
    expect(bestIn(models, { kind: 'task', task: 'signs' }, 'normalized')).toEqual(
      new Set(['run-1/wemoe_1', 'run-1/wemoe_2']),
    );
    expect(bestIn([named('individual'), named('ties')], { kind: 'average' }, 'accuracy').size).toBe(
      0,
    );
  });

  it('does not let a merge win that has to be told the task', () => {
    const told = modelsOf({
      card: cardOf('run-1'),
      report: reportOf([...methods, result('surgery', 0.9, 0.9, { taskKnown: true })]),
    });
    expect(bestIn(told, { kind: 'task', task: 'mnist' }, 'accuracy')).toEqual(
      new Set(['run-1/wemoe_1']),
    );
    expect(bestMerge(told)?.method).toBe('wemoe_1');
  });

  it('sorts by any column, what has no value last', () => {
    const lonely = modelsOf({
      card: cardOf('z'),
      report: reportOf([result('ties', 1, 1, { normalizedAverage: null })]),
    });
    const all = [...lonely, ...models];
    const titles = distinctTitles(all);
    for (const descending of [true, false]) {
      const column = { kind: 'normalizedAverage' } as const;
      const sorted = sortModels(all, { column, descending }, 'accuracy', titles);
      expect(sorted.at(-1)?.run).toBe('z');
      expect(sorted[0]?.method).toBe(descending ? 'individual' : 'pretrained');
    }
    const byTitle = sortModels(
      models,
      { column: { kind: 'model' }, descending: false },
      'accuracy',
      distinctTitles(models),
    );
    expect(byTitle[0]?.method).toBe('adamerging_layer');
  });

  it('as CSV keeps all digits, quotes text and defuses formulas', () => {
    const odd = modelsOf({
      card: cardOf('r', '=HYPERLINK("x")'),
      report: reportOf([result('ties', 1 / 3, 0.5, { title: 'a, "b"' })]),
    });
    const [header, row] = comparisonCsv(odd, tasks).split('\r\n');
    expect(header).toBe(
      'run,run_title,method,method_title,average,normalized_average,accuracy_mnist,normalized_mnist,accuracy_signs,normalized_signs',
    );
    expect(row).toContain(`r,"'=HYPERLINK(""x"")",ties,"a, ""b""",`);
    expect(row).toContain(`,${1 / 3},,0.5,`);
  });
});

describe('differences by class', () => {
  const perClass = (values: (number | null)[]) => ({ perClass: { mnist: values } });
  const confusion = {
    mnist: [
      [5, 5, 0],
      [0, 20, 0],
      [0, 0, 0],
    ],
  };
  const make = (id: string, values: (number | null)[]) =>
    modelsOf({
      card: cardOf(id),
      report: reportOf([result('ties', 0.5, 0.5, { ...perClass(values), confusion })]),
    })[0]!;

  it('come sorted from gain to loss, with counts, without classes nobody measured', () => {
    const rows = classDifferences(make('a', [0.5, 1, null]), make('b', [0.9, 0.75, 0.3]), 'mnist', [
      'zero',
      'one',
      'two',
    ]);
    expect(rows.map(({ title, images, right }) => [title, images, right])).toEqual([
      ['one', 20, { a: 20, b: 15 }],
      ['zero', 10, { a: 5, b: 9 }],
    ]);
    expect(rows[1]?.difference).toBeCloseTo(-0.4);
    expect(summariseDifferences(rows)).toMatchObject({ better: 1, worse: 1, equal: 0 });
  });

  it('are none where the classes are not the same', () => {
    expect(classDifferences(make('a', [0.5, 1]), make('b', [1, 1, 1]), 'mnist', null)).toEqual([]);
    expect(classDifferences(make('a', [0.5]), make('b', [0.5]), 'signs', null)).toEqual([]);
  });

  it('show both ends first', () => {
    const values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
    const rows = classDifferences(
      make('a', values),
      make(
        'b',
        values.map(() => 0.4),
      ),
      'mnist',
      null,
    );
    expect(notableDifferences(rows, 2).map(({ index }) => index)).toEqual([6, 5, 1, 0]);
  });
});
