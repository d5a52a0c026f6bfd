/** The results of a run as a table: a row for each method, a column for each task. */
import { competes, isMerged, type MethodReport, type Report } from '../runs/report.ts';
import { collapseText } from './collapse.ts';
import { smallerBatchText, smallerCallsText } from './smaller-calls.ts';
import { displayWidth, padEnd, padStart, paint, shorten, wrap, type Terminal } from './terminal.ts';

interface Column {
  readonly heading: string;
  /** Shown instead of the heading where there is too little room. */
  readonly short: string;
  value(method: MethodReport): number | null;
}

interface Placed extends Column {
  readonly shown: string;
  readonly width: number;
}

/** The column of the mark adds a second space. */
const gap = 1;
/** "100.0" and the mark. */
const cellWidth = 6;
const shortestHeading = 7;
const shortestTitle = 12;

/**
 * The table, at most `terminal.width` wide and without a final newline. Accuracies are in percent;
 * the best merge of a column is bold and has a "*". Where the columns do not fit, headings are
 * abbreviated, or the table is set in several blocks.
 */
export function renderResults(report: Report, terminal: Terminal): string {
  const columns = columnsOf(report);
  const longest = Math.max(6, ...report.methods.map(({ title }) => displayWidth(title)));
  const titleWidth = Math.min(longest, Math.max(shortestTitle, terminal.width - gap - cellWidth));
  const blocks = layOut(columns, terminal.width - titleWidth);
  const rendered = blocks.map((block) => renderBlock(report, block, titleWidth, terminal));
  return [...rendered, footnotes(report, blocks.flat(), terminal.width).join('\n')].join('\n\n');
}

function columnsOf(report: Report): Column[] {
  const synthetic = new Set(
    report.taskDetails.filter((task) => task.synthetic).map(({ id }) => id),
  );
  const unseen = unseenOf(report);
  const tasks = report.tasks.map((task) => ({
    heading: `${task}${unseen.includes(task) ? '°' : ''}${synthetic.has(task) ? '†' : ''}`,
    short: task,
    value: ({ accuracy }: MethodReport) =>
      Object.hasOwn(accuracy, task) ? (accuracy[task] ?? null) : null,
  }));
  return [
    ...tasks,
    { heading: 'average', short: 'average', value: ({ average }) => average },
    ...(unseen.length === 0
      ? []
      : [
          {
            heading: 'unseen°',
            short: 'unseen',
            value: ({ unseenAverage }: MethodReport) => unseenAverage ?? null,
          },
        ]),
    { heading: 'normalized', short: 'norm.', value: (method) => method.normalizedAverage },
  ];
}

/** Columns in as few blocks as the room allows, each at most `room` wide. */
function layOut(columns: readonly Column[], room: number): Placed[][] {
  const longest = Math.max(...columns.map(({ heading }) => displayWidth(heading)));
  for (let limit = longest; limit >= shortestHeading; limit--) {
    const placed = columns.map((column) => place(column, limit));
    if (totalWidth(placed) <= room) return [placed];
  }
  const placed = columns.map((column) => place(column, Math.max(cellWidth, room - gap - 1)));
  for (let count = 2; count < columns.length; count++) {
    const blocks = divide(placed, count);
    if (blocks.every((block) => totalWidth(block) <= room)) return blocks;
  }
  return placed.map((column) => [column]);
}

function place(column: Column, limit: number): Placed {
  const { heading, short } = column;
  const sign = /[°†]*$/.exec(heading)?.[0] ?? '';
  const shown =
    displayWidth(heading) <= limit ? heading : shorten(short, limit - sign.length) + sign;
  return { ...column, shown, width: Math.max(cellWidth, displayWidth(shown) + 1) };
}

function totalWidth(columns: readonly Placed[]): number {
  return columns.reduce((sum, { width }) => sum + gap + width, 0);
}

/** `count` blocks with as equal numbers of columns as possible. */
function divide<Item>(items: readonly Item[], count: number): Item[][] {
  return Array.from({ length: count }, (_, index) =>
    items.slice(
      Math.round((index * items.length) / count),
      Math.round(((index + 1) * items.length) / count),
    ),
  );
}

function renderBlock(
  report: Report,
  columns: readonly Placed[],
  titleWidth: number,
  { colour }: Terminal,
): string {
  const between = ' '.repeat(gap);
  // The column of the mark stays free under a heading, so that headings end above the last digit.
  const headings = columns.map(({ shown, width }) => `${padStart(shown, width - 1)} `);
  const head = [padEnd('method', titleWidth), ...headings].join(between).trimEnd();
  const rule = '─'.repeat(titleWidth + totalWidth(columns));
  const best = columns.map((column) => bestOf(report, column));
  const rows = report.methods.map((method) => {
    const cells = columns.map((column, index) => {
      const value = column.value(method);
      const marked = competes(method) && value !== null && value === best[index];
      const text = padStart(`${percent(value)}${marked ? '*' : ' '}`, column.width);
      return marked ? paint(colour, { bold: true }, text) : text;
    });
    return [padEnd(shorten(method.title, titleWidth), titleWidth), ...cells]
      .join(between)
      .trimEnd();
  });
  const firstMerge = report.methods.findIndex(isMerged);
  const lines = rows.flatMap((row, index) =>
    index === firstMerge && index > 0 ? [rule, row] : [row],
  );
  return [paint(colour, { bold: true }, head), rule, ...lines].join('\n');
}

function bestOf(report: Report, column: Column): number | undefined {
  const values = report.methods.filter(competes).map((method) => column.value(method) ?? -1);
  // Marking the only merge would say nothing.
  return values.length < 2 ? undefined : Math.max(...values);
}

function percent(value: number | null): string {
  return value === null ? '–' : (100 * value).toFixed(1);
}

function footnotes(report: Report, columns: readonly Placed[], width: number): string[] {
  const several = report.methods.filter(competes).length > 1;
  const notes = [
    'Accuracy in %; normalized: mean of accuracy ÷ that of the individual model.' +
      (several ? ' *: best merge of the column.' : ''),
  ];
  if (report.taskDetails.some(({ synthetic }) => synthetic)) {
    const marked = columns.some(({ shown }) => shown.endsWith('†'));
    const names = report.taskDetails.filter((task) => task.synthetic).map(({ id }) => id);
    notes.push(`${marked ? '†: ' : ''}images drawn by a program (${names.join(', ')}).`);
  }
  notes.push(...protocolNotes(report));
  const cut = columns.filter(({ shown }) => shown.includes('…'));
  if (cut.length > 0)
    notes.push(
      `${cut.map(({ shown, heading }) => `${plainName(shown)} = ${plainName(heading)}`).join(', ')}.`,
    );
  return notes.flatMap((note) => wrap(note, width));
}

/** What the numbers were measured on where it is not clean images of seen tasks, and what the guard noticed. */
function protocolNotes(report: Report): string[] {
  const unseen = unseenOf(report);
  const corrupted = report.taskDetails.flatMap(({ id, corruption }) =>
    corruption === undefined ? [] : [`${id} (${corruption.kind} ${String(corruption.severity)})`],
  );
  const { mixed } = report;
  const batches = [mixed?.adaptation && 'adaptation', mixed?.evaluation && 'evaluation'];
  return [
    ...(unseen.length === 0
      ? []
      : [`°: unseen: measured only (${unseen.join(', ')}); the average is over the others.`]),
    ...(corrupted.length === 0 ? [] : [`Corrupted images: ${corrupted.join(', ')}.`]),
    ...(mixed === undefined
      ? []
      : [`Batches of mixed tasks: ${batches.filter(Boolean).join(', ')}.`]),
    ...report.methods.flatMap(({ title, collapses = [] }) =>
      collapses.map((collapse) => `${title}, ${collapseText(collapse)}.`),
    ),
    ...report.methods.flatMap(({ title, smallerCalls }) =>
      smallerCalls === undefined ? [] : [`${title}: ${smallerCallsText(smallerCalls)}.`],
    ),
    ...report.methods.flatMap(({ title, smallerBatch }) =>
      smallerBatch === undefined ? [] : [`${title}: ${smallerBatchText(smallerBatch)}.`],
    ),
  ];
}

function unseenOf({ taskDetails }: Report): string[] {
  return taskDetails.filter(({ unseen }) => unseen === true).map(({ id }) => id);
}

function plainName(heading: string): string {
  return heading.replace(/[°†]+$/, '');
}
