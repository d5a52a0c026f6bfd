/** Where the time of a step goes, from ONNX Runtime's own profile: nodes carry the number of their equation. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dictionaryOwner } from '../../main/adaptation/dictionary.ts';
import type { Program, Value } from '../../main/graph/program.ts';

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
}

/** Seconds of each part, in a run on average. */
export type Breakdown = Readonly<Record<string, number>>;

/** Runs `work` with a prefix for profiles and breaks down what it wrote; `runs` is how often it ran the program. */
export async function profiled(
  program: Program,
  forwardValues: number,
  runs: number,
  work: (prefix: string) => Promise<void>,
): Promise<Breakdown> {
  const folder = await mkdtemp(join(tmpdir(), 'mergewright-profile-'));
  try {
    await work(join(folder, 'step'));
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), 'utf8')) as ProfileEvent[];
    return breakDown(program, forwardValues, runs, events);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function breakDown(
  program: Program,
  forwardValues: number,
  runs: number,
  events: readonly ProfileEvent[],
): Breakdown {
  const partOf = partsOf(program);
  const parts: Record<string, number> = {};
  for (const { cat, name, dur } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    const value = Number(/@(\d+)/.exec(name)?.[1] ?? -1);
    const half = value < 0 ? 'unnamed' : value < forwardValues ? 'forward' : 'backward';
    const part = `${half}, ${partOf.get(value as Value) ?? 'element-wise and layout'}`;
    parts[part] = (parts[part] ?? 0) + dur / 1e6 / runs;
  }
  return parts;
}

/** Products by what they are for; everything else is one part. */
function partsOf(program: Program): ReadonlyMap<Value, string> {
  const names = new Map(program.parameters.map(({ name, value }) => [value, name]));
  const results = new Map(program.results.map(({ name, value }) => [value, name]));
  const parts = new Map<Value, string>();
  const kindOf = (name: string | undefined) => {
    if (name === undefined) return undefined;
    if (dictionaryOwner(name) !== undefined) return 'dictionary';
    return name.includes('routers.') ? 'routers' : undefined;
  };
  for (const { op, inputs, output } of program.equations) {
    const inherited = inputs.map((input) => (op === 'add' ? parts.get(input) : undefined));
    const own =
      kindOf(results.get(output)) ?? inputs.map((input) => kindOf(names.get(input))).find(Boolean);
    if (op === 'matmul') parts.set(output, own ?? 'other products');
    // The sum that a product was made with carries the number.
    else if (op === 'add') {
      const part = inherited.find(Boolean);
      if (part !== undefined) parts.set(output, part);
    }
  }
  return parts;
}
