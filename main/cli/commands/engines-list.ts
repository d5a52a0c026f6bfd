/** The table of the engines: how fast they multiply, or how fast they take a step of a model. */
import { measureGflops } from '../../engine/benchmark.ts';
import type { BlockShape } from '../../engine/calibration-step.ts';
import { benchEngines, type BenchRow } from '../../engine/choice.ts';
import { describeEngine } from '../../engine/describe.ts';
import { listEngines, openEngine, type EngineListing } from '../../engine/registry.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { displayWidth, padEnd, paint, wrap, type Terminal } from '../terminal.ts';

interface Threads {
  readonly threads?: number;
}

/** A product of this size takes the reference engine, which is slow on purpose, a fraction of a second. */
const referenceSize = 128;

/** Every engine with the speed of its matrix product. */
export async function listWithSpeed(
  options: Threads,
  { signal, terminal, progress }: CommandContext,
): Promise<CommandResult> {
  const listed = await listEngines(options);
  const measured: (EngineListing & { readonly gflops?: number })[] = [];
  progress.start('Measuring', listed.length, 'engines');
  for (const listing of listed) {
    throwIfCancelled(signal);
    measured.push(listing.available ? await measure(listing, options) : listing);
    progress.update(measured.length, listing.id);
  }
  progress.abandon();
  const rows = measured.map((engine) => ({ engine, cells: [speed(engine.gflops)] }));
  return { json: { engines: measured }, text: render(rows, ['GFLOP/s'], terminal) };
}

async function measure(
  listing: EngineListing,
  options: Threads,
): Promise<EngineListing & { gflops: number }> {
  const engine = await openEngine(listing.id, options);
  const size = listing.id === 'reference' ? { size: referenceSize, seconds: 0.1 } : {};
  const gflops = await measureGflops(engine, size);
  return { ...listing, gflops: Number(gflops.toPrecision(3)) };
}

/** Every engine with the time of a block of an adaptation step, and the one that `auto` takes from now on. */
export async function benchSteps(
  shape: BlockShape,
  options: Threads,
  { terminal, progress }: CommandContext,
): Promise<CommandResult> {
  progress.start('Measuring', 0, 'engines');
  const rows = await benchEngines(shape, options);
  progress.abandon();
  const { images, tokens, width, hidden } = shape;
  const about = `A block of an adaptation step, forward and backward: ${String(images)} images of ${String(tokens)} tokens, width ${String(width)}, MLP ${String(hidden)}.`;
  const table = render(
    rows.map((row) => ({ engine: row.engine, cells: benchCells(row) })),
    ['ms', 'GFLOP/s', 'auto'],
    terminal,
  );
  const failures = rows.flatMap(({ engine, failure }) =>
    failure === undefined ? [] : [`${engine.id} does not compute: ${failure}`],
  );
  return {
    json: { shape, engines: rows.map(({ engine, ...row }) => ({ ...engine, ...row })) },
    text: [about, table, ...failures].join('\n\n'),
  };
}

function benchCells({ seconds, gflops, chosen }: BenchRow): string[] {
  const time = seconds === undefined ? '–' : (1000 * seconds).toPrecision(3);
  return [time, speed(gflops), chosen ? 'chosen' : ''];
}

interface Row {
  readonly engine: EngineListing;
  /** Cells under the heads that the caller adds. */
  readonly cells: readonly string[];
}

function render(engines: readonly Row[], heads: readonly string[], terminal: Terminal): string {
  const head = ['engine', 'device', 'threads', ...heads];
  const rows = engines.map(({ engine, cells }) =>
    engine.available
      ? [engine.id, engine.device.toUpperCase(), String(engine.threads), ...cells]
      : [engine.id, '–', '–', ...heads.map(() => '–')],
  );
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => displayWidth(row[column] ?? ''))),
  );
  const line = (row: readonly string[], last: string): string =>
    [...row.map((cell, column) => padEnd(cell, widths[column] ?? 0)), last].join('  ').trimEnd();
  const indent = widths.reduce((sum, width) => sum + width + 2, 0);
  const room = Math.max(24, terminal.width - indent);
  const lines = engines.flatMap(({ engine }, index) => {
    const about = engine.available ? describeEngine(engine) : `not available: ${engine.reason}`;
    const [first = '', ...more] = wrap(about, room);
    return [line(rows[index] ?? [], first), ...more.map((text) => ' '.repeat(indent) + text)];
  });
  return [paint(terminal.colour, { bold: true }, line(head, 'library')), ...lines].join('\n');
}

function speed(gflops: number | undefined): string {
  if (gflops === undefined) return '–';
  return gflops >= 10 ? gflops.toFixed(0) : gflops.toPrecision(2);
}
