/** A column for each task, and a row for each method of each run. */
import { competes } from '../report.ts';
import { isOfBase, type PublishedRow, type PublishedTable } from './published.ts';
import {
  agrees,
  markBest,
  shareOf,
  type Measured,
  type ResultTable,
  type TableColumn,
  type TableRow,
} from './table.ts';

interface Column extends TableColumn {
  readonly value: (measured: Measured) => number | null;
  readonly published: (row: PublishedRow, table: PublishedTable) => number | null;
  readonly collapsed?: (measured: Measured) => boolean;
}

export function taskTable(
  measured: readonly Measured[],
  sources: readonly PublishedTable[],
): Pick<ResultTable, 'columns' | 'rows'> {
  const tasks = [...new Set(measured.flatMap(({ run }) => run.report.tasks))];
  const own = ownColumns(measured, tasks);
  // Rows of the same models stand below ours; of others only the averages say anything, in columns of their own.
  const beside = sources.map((table) => !measured.some(({ run }) => isOfBase(table, run.recipe.base)));
  const columns: Column[] = [
    ...own,
    ...sources.flatMap((table, source) => (beside[source] === true ? averages(table, source, measured) : [])),
  ];
  const rows: Omit<TableRow, 'best'>[] = [];
  const rivals = new Set<object>();
  for (const each of measured) {
    const row = {
      section: each.label,
      title: each.title,
      cells: columns.map(({ value }) => value(each)),
      collapsed: columns.map((column) => column.collapsed?.(each) ?? false),
    };
    rows.push(row);
    if (competes(each.report)) rivals.add(row);
    sources.forEach((table, source) => {
      const found = beside[source] === true ? undefined : publishedRow(table, each);
      if (found === undefined) return;
      rows.push({
        section: each.label,
        title: `${each.title}, published`,
        source,
        cells: columns.map(({ published }) => published(found, table)),
        collapsed: columns.map(() => false),
      });
    });
  }
  return {
    columns: columns.map(({ heading, kind, source }) => ({
      heading,
      kind,
      ...(source === undefined ? {} : { source }),
    })),
    rows: markBest(rows, columns, rivals),
  };
}

function ownColumns(measured: readonly Measured[], tasks: readonly string[]): Column[] {
  const unseen = new Set(
    measured.flatMap(({ run }) =>
      run.report.taskDetails.flatMap(({ id, unseen: hidden }) => (hidden === true ? [id] : [])),
    ),
  );
  const sizes = new Set(measured.flatMap(({ report }) => report.modelParameters ?? []));
  const percent = { kind: 'percent' } as const;
  return [
    ...tasks.map(
      (task): Column => ({
        ...percent,
        heading: task,
        value: ({ report }) => report.accuracy[task] ?? null,
        published: (row, { columns }) => shareOf(row.cells[columns.indexOf(task)]),
        collapsed: ({ report }) => (report.collapses ?? []).some((each) => each.task === task),
      }),
    ),
    {
      ...percent,
      heading: unseen.size > 0 ? 'seen' : 'average',
      value: ({ report }) => report.average,
      published: ({ average }) => shareOf(average),
    },
    ...(unseen.size === 0
      ? []
      : [
          {
            ...percent,
            heading: 'unseen',
            value: ({ report }: Measured) => report.unseenAverage ?? null,
            published: (row: PublishedRow) => shareOf(row.unseen),
          },
        ]),
    ...(measured.some(({ report }) => report.normalizedAverage !== null)
      ? [
          {
            ...percent,
            heading: 'normalized',
            value: ({ report }: Measured) => report.normalizedAverage,
            published: () => null,
          },
        ]
      : []),
    ...(sizes.size > 1
      ? [
          {
            kind: 'count' as const,
            heading: 'parameters',
            value: ({ report }: Measured) => report.modelParameters ?? null,
            published: () => null,
          },
        ]
      : []),
  ];
}

function averages(table: PublishedTable, source: number, measured: readonly Measured[]): Column[] {
  const found = measured.flatMap((each) => publishedRow(table, each) ?? []);
  if (found.length === 0) return [];
  const column = (heading: string, of: (row: PublishedRow) => number | undefined): Column => ({
    heading: `${heading}, ${table.models}`,
    kind: 'percent',
    source,
    value: (each) => {
      const row = publishedRow(table, each);
      return row === undefined ? null : shareOf(of(row));
    },
    published: () => null,
  });
  return table.unseenColumns.length === 0
    ? [column('average', ({ average }) => average)]
    : [
        column('seen', ({ average }) => average),
        column('unseen', (row) => unseenOf(row, table)),
      ];
}

/** As published, or the mean of the tasks that were not seen. */
function unseenOf(row: PublishedRow, { columns, unseenColumns }: PublishedTable): number | undefined {
  if (row.unseen !== undefined) return row.unseen;
  const cells = unseenColumns.map((task) => row.cells[columns.indexOf(task)] ?? null);
  if (cells.length === 0 || cells.includes(null)) return undefined;
  return cells.reduce<number>((sum, cell) => sum + (cell ?? 0), 0) / cells.length;
}

function publishedRow({ rows }: PublishedTable, each: Measured): PublishedRow | undefined {
  return rows.find(({ method, at }) => method === each.origin && agrees(at, each));
}

