/** A table of results as text for a terminal, Markdown, LaTeX (booktabs), CSV or JSON. */
import type { ResultTable, TableColumn, TableRow } from './table.ts';

export const tableFormats = ['text', 'markdown', 'latex', 'csv', 'json'] as const;
export type TableFormat = (typeof tableFormats)[number];

const nothing = '–';

/** The table without a final newline. */
export function formatTable(table: ResultTable, format: TableFormat): string {
  return writers[format](table);
}

const writers: Readonly<Record<TableFormat, (table: ResultTable) => string>> = {
  text: textTable,
  markdown: markdownTable,
  latex: latexTable,
  csv: csvTable,
  json: (table) => JSON.stringify(table, null, 2),
};

/** "85.4", "1.217 M", or a dash where there is nothing. */
function shown(value: number | null, { kind }: TableColumn): string {
  if (value === null) return nothing;
  if (kind === 'percent') return (100 * value).toFixed(1);
  const [divisor, unit] = value >= 1e9 ? [1e9, 'B'] : value >= 1e6 ? [1e6, 'M'] : [1e3, 'k'];
  return value < 1e3 ? String(value) : `${(value / divisor).toPrecision(4)} ${unit}`;
}

const reference = (source: number | undefined): string =>
  source === undefined ? '' : ` [${source + 1}]`;

const headingOf = ({ heading, source }: TableColumn): string => heading + reference(source);
const titleOf = ({ title, source }: TableRow): string => title + reference(source);

function footnotes({ sources, notes }: ResultTable): string[] {
  return [...notes, ...sources.map((text, index) => `[${index + 1}]: ${text}.`)];
}

/** Rows with the name of their section before the first of each; undefined where there is only one. */
function sectioned(rows: readonly TableRow[]): { section: string | undefined; row: TableRow }[] {
  const several = new Set(rows.map(({ section }) => section)).size > 1;
  return rows.map((row, index) => ({
    section: several && row.section !== rows[index - 1]?.section ? row.section : undefined,
    row,
  }));
}

function marked(row: TableRow, table: ResultTable, bold: (text: string) => string): string[] {
  return table.columns.map((column, index) => {
    const text = shown(row.cells[index] ?? null, column);
    const strong = row.best[index] === true ? bold(text) : text;
    return row.collapsed[index] === true ? `${strong}‡` : strong;
  });
}

function textTable(table: ResultTable): string {
  const { columns, rows } = table;
  const head = ['method', ...columns.map(headingOf)];
  const body = sectioned(rows).map(({ section, row }) => ({
    section,
    cells: [titleOf(row), ...marked(row, table, (text) => `${text}*`)],
  }));
  const widths = head.map((text, index) =>
    Math.max(text.length, ...body.map(({ cells }) => (cells[index] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, index) =>
        index === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = '─'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  const best = rows.some((row) => row.best.some(Boolean)) ? ['*: best merge of the column.'] : [];
  return [
    table.title,
    '',
    line(head),
    rule,
    ...body.flatMap(({ section, cells }) => [
      ...(section === undefined ? [] : ['', `${section}:`]),
      line(cells),
    ]),
    '',
    ...footnotes(table),
    ...best,
  ].join('\n');
}

function markdownTable(table: ResultTable): string {
  const escape = (text: string): string => text.replace(/[\\|*_<[\]]/g, '\\$&');
  const { columns, rows } = table;
  const several = new Set(rows.map(({ section }) => section)).size > 1;
  const first = several ? ['', 'method'] : ['method'];
  const lines = sectioned(rows).map(({ section, row }) => [
    ...(several ? [escape(section ?? '')] : []),
    escape(titleOf(row)),
    ...marked(row, table, (text) => `**${text}**`),
  ]);
  const head = [...first, ...columns.map((column) => escape(headingOf(column)))];
  const rule = head.map((_, index) => (index < first.length ? '---' : '---:'));
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    [row(head), row(rule), ...lines.map(row)].join('\n'),
    footnotes(table).map(escape).join('\n\n'),
  ].join('\n\n');
}

/** What LaTeX reads as commands, as what it prints. */
const latexSigns: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '–': '--',
  '‡': '$^\\ddagger$',
  λ: '$\\lambda$',
  β: '$\\beta$',
  '’': "'",
};

function latexText(text: string): string {
  return text
    .replace(/[\\~^–‡λβ’]|[&%$#_{}]/g, (sign) => latexSigns[sign] ?? `\\${sign}`)
    .replaceAll('$$', '');
}

function latexTable(table: ResultTable): string {
  const { columns, rows, title } = table;
  const row = (cells: readonly string[]): string => `    ${cells.join(' & ')} \\\\`;
  const lines = sectioned(rows).flatMap(({ section, row: each }, index) => [
    ...(section === undefined
      ? []
      : [
          ...(index === 0 ? [] : ['    \\midrule']),
          `    \\multicolumn{${columns.length + 1}}{l}{\\textit{${latexText(section)}}} \\\\`,
        ]),
    row([
      latexText(titleOf(each)),
      ...columns.map((column, at) => {
        const text = latexText(shown(each.cells[at] ?? null, column));
        const strong = each.best[at] === true ? `\\textbf{${text}}` : text;
        return each.collapsed[at] === true ? `${strong}$^\\ddagger$` : strong;
      }),
    ]),
  ]);
  return [
    '% Needs \\usepackage{booktabs}.',
    '\\begin{table}',
    '  \\centering',
    `  \\caption{${latexText(title)}. ${latexText(footnotes(table).join(' '))}}`,
    `  \\begin{tabular}{l${'r'.repeat(columns.length)}}`,
    '    \\toprule',
    row(['Method', ...columns.map((column) => latexText(headingOf(column)))]),
    '    \\midrule',
    ...lines,
    '    \\bottomrule',
    '  \\end{tabular}',
    '\\end{table}',
  ].join('\n');
}

/** RFC 4180, with a line of headings; accuracies as shares with all their digits. */
function csvTable({ columns, rows, sources }: ResultTable): string {
  const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const origin = (source: number | undefined): string =>
    source === undefined ? '' : (sources[source] ?? '');
  const heading = ({ heading: text, source }: TableColumn): string =>
    source === undefined ? text : `${text}: ${origin(source)}`;
  const head = ['section', 'method', ...columns.map(heading), 'source'];
  const lines = rows.map(({ section, title, cells, source }) => [
    section,
    title,
    ...cells.map((value) => (value === null ? '' : String(value))),
    origin(source),
  ]);
  return [head, ...lines].map((cells) => cells.map(field).join(',')).join('\r\n');
}
