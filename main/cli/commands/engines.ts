import { measureGflops } from '../../engine/benchmark.ts';
import { listEngines, openEngine, type EngineListing } from '../../engine/registry.ts';
import { throwIfCancelled } from '../../lib/errors.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';
import { UsageError } from '../failure.ts';
import { displayWidth, padEnd, paint, wrap, type Terminal } from '../terminal.ts';
import { installEngine, removeEngine, type InstallChoices } from './engines-install.ts';

type Measured = EngineListing & { readonly gflops?: number };

/** A product of this size takes the reference engine, which is slow on purpose, a fraction of a second. */
const referenceSize = 128;

export const engines = defineCommand({
  name: 'engines',
  summary: 'List the engines, what they run on and how fast they are here; install TensorFlow',
  description:
    'Speed is that of a matrix product in fp32, measured now. An engine that cannot run on this machine is listed with the reason. ' +
    'install tensorflow fetches TensorFlow’s libraries from the index of Python packages (PIP_INDEX_URL, or as pip is set up; Python is not needed) and builds the binding to them with the C++ compiler of this machine; it says first what it fetches, from where and how large it is. ' +
    'remove tensorflow takes all of it away again. Both leave it to MERGEWRIGHT_ENGINES where engines are kept.',
  example: 'mergewright engines install tensorflow',
  positionals: [
    { name: 'ACTION', summary: 'install or remove; without it, the list', optional: true },
    { name: 'ENGINE', summary: 'tensorflow', optional: true },
  ],
  options: {
    gpu: { kind: 'flag', summary: 'install the build for CUDA, with NVIDIA’s libraries' },
    'dry-run': { kind: 'flag', summary: 'tell what install would fetch, and fetch nothing' },
    threads: {
      kind: 'integer',
      value: 'N',
      min: 1,
      max: 1024,
      summary: 'threads of one operation, where an engine lets them be chosen',
    },
  },
  async run({ threads, gpu, 'dry-run': dryRun }, [action, engine], context) {
    if (action !== undefined) {
      return changeEngine(action, engine, { variant: gpu ? 'gpu' : 'cpu', dryRun }, context);
    }
    const { signal, terminal, progress } = context;
    const options = threads === undefined ? {} : { threads };
    const listed = await listEngines(options);
    const measured: Measured[] = [];
    progress.start('Measuring', listed.length, 'engines');
    for (const listing of listed) {
      throwIfCancelled(signal);
      measured.push(listing.available ? await measure(listing, options) : listing);
      progress.update(measured.length, listing.id);
    }
    progress.abandon();
    return { json: { engines: measured }, text: render(measured, terminal) };
  },
});

async function changeEngine(
  action: string,
  engine: string | undefined,
  choices: InstallChoices,
  context: CommandContext,
): Promise<CommandResult> {
  if (action !== 'install' && action !== 'remove') {
    throw new UsageError(`engines has install and remove, but no "${action}"`, 'engines');
  }
  if (engine !== 'tensorflow') {
    throw new UsageError(`engines ${action} needs the name "tensorflow"`, 'engines');
  }
  return action === 'install' ? installEngine(choices, context) : removeEngine();
}

async function measure(
  listing: EngineListing,
  options: { readonly threads?: number },
): Promise<Measured> {
  const engine = await openEngine(listing.id, options);
  const size = listing.id === 'reference' ? { size: referenceSize, seconds: 0.1 } : {};
  const gflops = await measureGflops(engine, size);
  return { ...listing, gflops: Number(gflops.toPrecision(3)) };
}

function render(engines: readonly Measured[], terminal: Terminal): string {
  const head = ['engine', 'device', 'threads', 'GFLOP/s'];
  const rows = engines.map((engine) =>
    engine.available
      ? [engine.id, engine.device.toUpperCase(), String(engine.threads), speed(engine.gflops)]
      : [engine.id, '–', '–', '–'],
  );
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => displayWidth(row[column] ?? ''))),
  );
  const line = (row: readonly string[], last: string): string =>
    [...row.map((cell, column) => padEnd(cell, widths[column] ?? 0)), last].join('  ').trimEnd();
  const indent = widths.reduce((sum, width) => sum + width + 2, 0);
  const room = Math.max(24, terminal.width - indent);
  const lines = engines.flatMap((engine, index) => {
    const about = engine.available ? engine.title : `not available: ${engine.reason}`;
    const [first = '', ...more] = wrap(about, room);
    return [line(rows[index] ?? [], first), ...more.map((text) => ' '.repeat(indent) + text)];
  });
  return [paint(terminal.colour, { bold: true }, line(head, 'library')), ...lines].join('\n');
}

function speed(gflops: number | undefined): string {
  if (gflops === undefined) return '–';
  return gflops >= 10 ? gflops.toFixed(0) : gflops.toPrecision(2);
}
