/** Tables of runs: what stands where, how it is written, and that published numbers agree with themselves. */
import { describe, expect, it } from 'vitest';
import { experimentSchema } from '../../../main/runs/experiments/experiment.ts';
import { parseRecipe } from '../../../main/runs/recipe.ts';
import type { MethodReport, Report } from '../../../main/runs/report.ts';
import { formatTable } from '../../../main/runs/tables/formats.ts';
import { publishedTables } from '../../../main/runs/tables/published.ts';
import { experimentOf, makeTable } from '../../../main/runs/tables/result-table.ts';
import type { TableRun } from '../../../main/runs/tables/table.ts';

interface Method {
  readonly id: string;
  readonly method?: string;
  readonly lambda?: number;
  readonly accuracy: readonly number[];
  readonly more?: Partial<MethodReport>;
}

const tasks = ['one', 'two'];

/** A run of two tasks, with nothing computed. */
function runOf(name: string, methods: readonly Method[], changes: Partial<Report> = {}): TableRun {
  const recipe = parseRecipe(
    JSON.stringify({
      schema: 1,
      name,
      base: 'models/base',
      tasks: tasks.map((id) => ({ id, expert: id, head: `${id}.safetensors`, data: `${id}.json` })),
      methods: methods.map(({ id, method = id, lambda }) => ({
        id,
        method,
        ...(lambda === undefined ? {} : { parameters: { lambda } }),
      })),
    }),
    'test',
  );
  const report: Report = {
    schema: 1,
    recipe: '',
    seed: 0,
    engine: { id: 'onnx', title: 'ONNX Runtime', device: 'cpu', precision: 'fp32', threads: 1 },
    adaptationData: 'the test images',
    tasks,
    taskDetails: tasks.map((id) => ({ id, title: id, classes: 2, images: 4, synthetic: false })),
    methods: methods.map(({ id, method = id, accuracy, more }) => ({
      id,
      method,
      title: id,
      accuracy: Object.fromEntries(tasks.map((task, index) => [task, accuracy[index] ?? 0])),
      average: accuracy.reduce((sum, value) => sum + value, 0) / accuracy.length,
      normalizedAverage: null,
      ...more,
    })),
    run: '.',
    exported: null,
    ...changes,
  };
  return { id: `${name}-0001`, recipe, report };
}

const experimentOfFields = (fields: object) =>
  experimentSchema.parse({ schema: 1, name: 'tried', title: 'Tried & true', about: '-', ...fields });

describe('a table of tasks', () => {
  const run = runOf('tried', [
    { id: 'individual', accuracy: [1, 0.9], more: { normalizedAverage: 1 } },
    { id: 'task_arithmetic', accuracy: [0.5, 0.7], more: { modelParameters: 1_217_000 } },
    {
      id: 'wemoe_2',
      method: 'wemoe',
      accuracy: [0.75, 0.6],
      more: {
        modelParameters: 7_000_000,
        collapses: [{ task: 'two', step: 3, usage: 0.3, peak: 0.9, action: 'none' }],
      },
    },
  ]);

  it('has a column for each task, and marks the best merge and collapses', () => {
    const { columns, rows } = makeTable([run]);
    expect(columns.map(({ heading }) => heading)).toEqual([
      ...tasks,
      'average',
      'normalized',
      'parameters',
    ]);
    // The individual models are no merge.
    expect(rows.map(({ best }) => best.slice(0, 3))).toEqual([
      [false, false, false],
      [false, true, false],
      [true, false, true],
    ]);
    expect(rows.map(({ collapsed }) => collapsed[1])).toEqual([false, false, true]);
  });

  it('has published averages in columns of their own where the models are others', () => {
    const experiment = experimentOfFields({
      methods: ['individual', 'task_arithmetic', 'wemoe_2'],
      published: ['wemoe-2', 'wemoe-3'],
    });
    const { columns, rows, sources } = makeTable([run], experiment);
    expect(columns.at(-1)).toMatchObject({ heading: 'average, CLIP ViT-B/32', source: 0 });
    expect(rows.map(({ cells }) => cells.at(-1))).toEqual([0.905, 0.69, 0.894]);
    expect(rows.every(({ source, best }) => source === undefined && !best.at(-1))).toBe(true);
    expect(sources).toEqual([expect.stringMatching(/CLIP ViT-B\/32.*2402\.00433.*table 2.*not measured here/)]);
  });

  it('has published rows below those of the same models', () => {
    const same = { ...run, recipe: { ...run.recipe, base: 'hub:openai/clip-vit-large-patch14@0' } };
    const experiment = experimentOfFields({
      methods: ['individual', 'task_arithmetic', 'wemoe_2'],
      published: ['wemoe-2', 'wemoe-3'],
    });
    const { rows, sources } = makeTable([same], experiment);
    expect(rows.map(({ source }) => source)).toEqual([undefined, 0, undefined, 0, undefined, 0]);
    expect(rows[5]?.cells[2]).toBe(0.936);
    expect(sources[0]).toContain('ViT-L/14');
  });

  it('says which tasks were not seen', () => {
    const [first, second] = run.report.taskDetails;
    const report = { ...run.report, taskDetails: [first!, { ...second!, unseen: true as const }] };
    const hidden = { ...run, report };
    expect(makeTable([hidden]).notes[1]).toContain('Unseen, only measured: two.');
    const { rows, columns } = makeTable([run, { ...hidden, id: 'tried-0002' }]);
    expect(columns.map(({ heading }) => heading)).toContain('unseen');
    expect(rows.at(-1)?.section).toBe('tried-0002 (unseen: two)');
  });

  it('tells the runs apart that it holds', () => {
    const { rows } = makeTable([run, { ...run, id: 'tried-0002' }]);
    expect(new Set(rows.map(({ section }) => section))).toEqual(
      new Set(['tried-0001', 'tried-0002']),
    );
  });
});

describe('a table of runs of no experiment', () => {
  it('says what was corrupted or mixed, and what was ended early', () => {
    const run = runOf(
      'tried',
      [{ id: 'wemoe', accuracy: [0.5, 0.5], more: { stoppedAt: 9, keptStep: 4 } }],
      { mixed: { adaptation: false, evaluation: true } },
    );
    const [first, second] = run.report.taskDetails;
    const corruption = { kind: 'contrast', severity: 2, constants: 'cifar' } as const;
    const report = { ...run.report, taskDetails: [first!, { ...second!, corruption }] };
    const { rows, notes } = makeTable([{ ...run, report }]);
    expect(rows[0]?.title).toBe('wemoe, ended by hand (step 4)');
    expect(notes.at(-1)).toBe(
      'tried-0001: corrupted images: two (contrast 2); batches of mixed tasks: evaluation.',
    );
  });
});

describe('a table over what is varied', () => {
  const experiment = experimentOfFields({
    methods: [{ id: 'task_arithmetic', vary: { lambda: [0.3, 0.1] } }],
    published: ['wemoe-lambda-b32'],
    table: { columns: 'parameters.lambda' },
  });
  const varied = (id: string, lambda: number, accuracy: number) => ({
    id,
    method: 'task_arithmetic',
    lambda,
    accuracy: [accuracy, accuracy],
  });

  it('has a column for each value in order, beside what was published there', () => {
    const run = runOf('tried', [
      varied('task_arithmetic_0.3', 0.3, 0.5),
      varied('task_arithmetic_0.1', 0.1, 0.25),
    ]);
    const { columns, rows } = makeTable([run], experiment);
    expect(columns.map(({ heading }) => heading)).toEqual(['lambda 0.1', 'lambda 0.3']);
    expect(rows.map(({ title, cells }) => [title, ...cells])).toEqual([
      ['Task arithmetic', 0.25, 0.5],
      ['Task arithmetic, CLIP ViT-B/32', 0.643, 0.799],
    ]);
  });

  it('has methods that are not varied where their own value belongs', () => {
    const free = { ...varied('free', 0.1, 0.75), more: { parameters: { lambda: 0.1 } } };
    const run = runOf('tried', [
      { id: 'individual', accuracy: [1, 1] },
      varied('task_arithmetic_0.3', 0.3, 0.5),
      free,
    ]);
    const { columns, rows } = makeTable([run], { ...experiment, published: [] });
    expect(columns.map(({ heading }) => heading)).toEqual(['without', 'lambda 0.1', 'lambda 0.3']);
    expect(rows.map(({ cells }) => cells)).toEqual([
      [1, null, null],
      [null, null, 0.5],
      [null, 0.75, null],
    ]);
  });

  it('has a section for each value of the other keys, and clean images beside all severities', () => {
    const robustness = experimentOfFields({
      methods: ['task_arithmetic'],
      runs: [
        { name: 'clean' },
        {
          set: { 'corruption.constants': 'cifar' },
          grid: { 'corruption.kind': ['contrast', 'spatter'], 'corruption.severity': [1, 2] },
        },
      ],
      published: ['wemoe-5'],
      table: { columns: 'corruption.severity' },
    });
    const measured = (label: string, accuracy: number) =>
      runOf(`tried-${label}`, [{ id: 'task_arithmetic', accuracy: [accuracy, accuracy] }]);
    // One is not done yet.
    const runs = [measured('clean', 0.9), measured('contrast-1', 0.8), measured('contrast-2', 0.7), measured('spatter-2', 0.6)];
    const { columns, rows } = makeTable(runs, robustness);
    expect(columns.map(({ heading }) => heading)).toEqual(['clean', 'severity 1', 'severity 2']);
    expect(rows.map(({ section, cells }) => [section, ...cells])).toEqual([
      ['contrast', 0.9, 0.8, 0.7],
      ['contrast', 0.798, null, 0.689],
      ['spatter', 0.9, null, 0.6],
      ['spatter', 0.798, null, 0.629],
    ]);
  });

  it('says once what runs adapt to that differ in the corruption alone', () => {
    const corrupted = (severity: number, seen: readonly string[] = tasks): TableRun => {
      const run = runOf(`tried-${severity}`, [{ id: 'ties', accuracy: [1, 1] }]);
      const corruption = { kind: 'contrast', severity, constants: 'cifar' } as const;
      const unseen = tasks.filter((task) => !seen.includes(task));
      return { ...run, recipe: { ...run.recipe, corruption, ...(unseen.length > 0 && { unseen }) } };
    };
    const plain = runOf('tried', [{ id: 'ties', accuracy: [1, 1] }]);
    const note = (runs: readonly TableRun[]) => makeTable(runs).notes[0] ?? '';
    const both = note([plain, corrupted(1), corrupted(2)]);
    expect(both.split('test images')).toHaveLength(2);
    expect(both).toMatch(/of every task without their labels, corrupted as noted below \(transductive/);
    expect(note([corrupted(2)])).toContain('all with low contrast of severity 2 (transductive');
    expect(note([corrupted(1), corrupted(2, ['one'])]).split('test images')).toHaveLength(3);
    const experiment = experimentOfFields({ methods: ['ties'], runs: [{ grid: { seed: [1, 2] } }] });
    expect(makeTable([plain, corrupted(1)], experiment).notes[0]).toContain(
      'corrupted as the row and the column say',
    );
  });
});

describe('the experiment of runs', () => {
  it('is told by the names of their recipes and methods', () => {
    expect(experimentOf([runOf('unseen-1', [{ id: 'ties', accuracy: [1, 1] }])])?.name).toBe('unseen');
    expect(experimentOf([runOf('mine', [{ id: 'ties', accuracy: [1, 1] }])])).toBeUndefined();
    expect(experimentOf([runOf('unseen-1', [{ id: 'dare_ties', accuracy: [1, 1] }])])).toBeUndefined();
    expect(experimentOf([])).toBeUndefined();
  });
});

describe('formats', () => {
  const table = makeTable([
    runOf('a_b & c', [
      { id: 'ties', accuracy: [0.5, 0.701] },
      { id: 'dare, "x"', method: 'magmax', accuracy: [0.25, 0.9] },
    ].map((each) => ({ ...each, id: each.id.replace(/[^a-z_]/g, '') }))),
  ]);
  const quoted = { ...table, rows: table.rows.map((row) => ({ ...row, title: 'a, "b" 50 %' })) };

  it('text is aligned, and marks the best', () => {
    const lines = formatTable(table, 'text').split('\n');
    expect(lines[2]).toMatch(/^method +one +two +average$/);
    expect(lines[4]).toMatch(/50\.0\* +70\.1 +60\.1\*$/);
    expect(new Set(lines.slice(2, 6).map((line) => line.length)).size).toBeLessThanOrEqual(2);
  });

  it('markdown has as many cells in each line', () => {
    const lines = formatTable(quoted, 'markdown').split('\n').slice(0, 4);
    expect(lines.map((line) => line.split(/(?<!\\)\|/).length)).toEqual([6, 6, 6, 6]);
    expect(lines[2]).toContain('**50.0**');
  });

  it('latex escapes what it would read as commands', () => {
    const text = formatTable(quoted, 'latex');
    expect(text).toContain('\\caption{a\\_b \\& c. Accuracy in \\%.');
    expect(text).toContain('    a, "b" 50 \\% & \\textbf{50.0} & 70.1 & \\textbf{60.1} \\\\');
    expect(text).toMatch(/\\toprule[\s\S]*\\midrule[\s\S]*\\bottomrule/);
    expect(text.replace(/\\[&%_]/g, '').match(/&/g)).toHaveLength(9);
  });

  it('csv quotes as RFC 4180 says, with all digits', () => {
    const lines = formatTable(quoted, 'csv').split('\r\n');
    expect(lines[0]).toBe('section,method,one,two,average,source');
    expect(lines[1]).toBe(',"a, ""b"" 50 %",0.5,0.701,0.6005,');
  });

  it('json is the table', () => {
    expect(JSON.parse(formatTable(table, 'json'))).toEqual(JSON.parse(JSON.stringify(table)));
  });
});

describe('published numbers', () => {
  it('have a cell for each column, and averages that are those of their cells', () => {
    for (const { id, columns, unseenColumns, rows } of publishedTables) {
      for (const { method, at, cells, average, unseen, note } of rows) {
        const where = `${id}, ${method} ${JSON.stringify(at)}`;
        if (cells.length === 0) continue;
        expect(cells, where).toHaveLength(columns.length);
        const meanOf = (hidden: boolean) => {
          const values = cells.filter((_, i) => unseenColumns.includes(columns[i] ?? '') === hidden);
          if (values.length === 0 || values.includes(null)) return undefined;
          return values.reduce<number>((sum, value) => sum + (value ?? 0), 0) / values.length;
        };
        // Papers round their averages from longer cells than they print.
        const [seen, others] = [meanOf(false), meanOf(true)];
        if (seen !== undefined && note === undefined) {
          expect(Math.abs(seen - average), where).toBeLessThan(0.101);
        }
        if (others !== undefined && unseen !== undefined) {
          expect(Math.abs(others - unseen), where).toBeLessThan(0.101);
        }
      }
    }
  });

  it('belong to one row each', () => {
    for (const { id, rows } of publishedTables) {
      const keys = rows.map(({ method, at }) => JSON.stringify([method, at]));
      expect(new Set(keys).size, id).toBe(keys.length);
    }
  });
});
