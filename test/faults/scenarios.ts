/** What is put through the faults: merges and exports of tiny models, from every state they may begin in. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { formatRecipe } from '../../main/runs/recipe.ts';
import { createTinyProject } from '../support/tiny-project.ts';
import { storeModels } from '../unit/merging/streaming/plans.ts';
import { buildInterposer, faultEnvironment, program, runToEnd, type Ended } from './process.ts';
import { readState, type Files } from './state.ts';

/** The name of the folder every command makes. */
export const RESULT = 'result';

export interface Scenario {
  readonly id: string;
  /** What stands at the final name before: the files of an older result, or nothing. */
  readonly old: Files | undefined;
  /** What a command without faults leaves there. */
  readonly new: Files;
  readonly durationMs: number;
  /** Folders of inputs that are opened. */
  readonly inputs: string;
  /** Fills an empty folder with what the command finds. */
  prepare(parent: string): Promise<void>;
  /** The command line after the program's name. */
  words(parent: string): readonly string[];
}

export interface Laboratory {
  readonly folder: string;
  readonly library: string;
  /** For all commands: no cache of the user is read or written. */
  readonly env: NodeJS.ProcessEnv;
  readonly scenarios: readonly Scenario[];
}

export function runProgram(
  { env }: Pick<Laboratory, 'env'>,
  words: readonly string[],
  more: NodeJS.ProcessEnv = {},
  killAfterMs?: number,
): Promise<Ended> {
  return runToEnd(process.execPath, [program, ...words], {
    env: { ...env, ...more },
    ...(killAfterMs === undefined ? {} : { killAfterMs }),
  });
}

type Draft = Omit<Scenario, 'old' | 'new' | 'durationMs'>;

/**
 * Makes the inputs of the `wanted` scenarios and runs each once without faults; undefined where calls cannot be
 * counted.
 */
export async function openLaboratory(
  folder: string,
  wanted: (id: string) => boolean = () => true,
): Promise<Laboratory | undefined> {
  const library = buildInterposer(folder);
  if (library === undefined) return undefined;
  const env = { XDG_CACHE_HOME: join(folder, 'cache'), FORCE_COLOR: '0' };
  const scenarios: Scenario[] = [];
  for (const [ids, draft] of [
    [mergeIds, draftMerges],
    [exportIds, draftExports],
  ] as const) {
    if (!ids.some(wanted)) continue;
    for (const each of await draft(folder, library, env)) {
      if (wanted(each.id)) scenarios.push(await rehearse(each, folder, env));
    }
  }
  return { folder, library, env, scenarios };
}

async function rehearse(draft: Draft, folder: string, env: NodeJS.ProcessEnv): Promise<Scenario> {
  const parent = join(folder, 'rehearsals', draft.id);
  await mkdir(parent, { recursive: true });
  await draft.prepare(parent);
  const old = (await readState(parent, RESULT)).result;
  const ended = await succeed(env, draft.words(parent));
  const state = await readState(parent, RESULT);
  if (state.result === undefined) throw new Error(`${draft.id} wrote nothing`);
  for (const name of state.result.keys()) {
    if (name.endsWith('.safetensors')) await openCheckpoint(join(parent, RESULT, name));
  }
  return { ...draft, old, new: state.result, durationMs: ended.milliseconds };
}

async function succeed(env: NodeJS.ProcessEnv, words: readonly string[]): Promise<Ended> {
  const ended = await runProgram({ env }, words);
  if (ended.code !== 0) throw new Error(`mergewright ${words.join(' ')}: ${ended.err}`);
  return ended;
}

const mergeIds = ['merge', 'merge-overwriting', 'merge-resumed-overwriting'] as const;
const exportIds = ['export-safetensors', 'export-onnx'] as const;

const nothing = (): Promise<void> => Promise.resolve();

/** Two shards, in several pieces, with a configuration that is carried over. */
async function draftMerges(
  folder: string,
  library: string,
  env: NodeJS.ProcessEnv,
): Promise<Draft[]> {
  const inputs = join(folder, 'models');
  const shapes = { 'a.weight': [64, 64], 'b.weight': [128, 32], 'c.bias': [7] };
  const models = await storeModels(inputs, shapes, ['BF16', 'BF16', 'BF16']);
  const [base = '', ...experts] = models.map(({ path }) => path);
  for (const path of [base, ...experts])
    await writeFile(join(path, 'config.json'), '{"size":64}\n');
  const words = (method: string, parent: string): string[] => {
    const how = ['--method', method, '--threads', '2', '--shard-size', '10kB'];
    return ['merge', ...how, '--base', base, ...experts, '--out', join(parent, RESULT)];
  };
  const older = join(folder, 'older');
  await mkdir(older);
  await succeed(env, words('task_arithmetic', older));
  const prepareOlder = (parent: string) =>
    cp(join(older, RESULT), join(parent, RESULT), { recursive: true });
  const merge = {
    id: 'merge',
    inputs,
    prepare: nothing,
    words: (parent: string) => words('ties', parent),
  };
  const unfinished = join(folder, 'unfinished');
  await mkdir(unfinished);
  // The fifteenth change is in the middle of the weights.
  const kill = { folder: unfinished, calls: 'change', at: 15, deed: 'kill' } as const;
  await runProgram({ env }, merge.words(unfinished), faultEnvironment(library, kill));
  return [
    merge,
    {
      ...merge,
      id: 'merge-overwriting',
      prepare: prepareOlder,
      words: (parent) => [...merge.words(parent), '--overwrite'],
    },
    {
      ...merge,
      id: 'merge-resumed-overwriting',
      prepare: async (parent) => {
        await prepareOlder(parent);
        await cp(unfinished, parent, { recursive: true });
      },
      words: (parent) => [...merge.words(parent), '--overwrite'],
    },
  ];
}

const methods = [
  { id: 'individual' },
  { id: 'wemoe_1', method: 'wemoe', parameters: { router_layers: 1, steps: 2 } },
];

async function draftExports(
  folder: string,
  _library: string,
  env: NodeJS.ProcessEnv,
): Promise<Draft[]> {
  const inputs = join(folder, 'vision');
  await mkdir(inputs);
  const { recipe } = await createTinyProject(inputs, methods);
  const engine = { id: 'onnx', threads: 1 } as const;
  const path = join(inputs, 'recipe.yaml');
  await writeFile(path, formatRecipe({ ...recipe, engine }));
  const project = join(inputs, 'project');
  await succeed(env, ['run', path, '--project', project]);
  const run = join(project, 'runs', 'tiny-0001');
  const words = (format: string, parent: string): string[] => {
    const how = ['--format', format, '--method', 'wemoe_1'];
    return ['export', run, ...how, '--out', join(parent, RESULT)];
  };
  return exportIds.map((id) => ({
    id,
    inputs,
    prepare: nothing,
    words: (parent) => words(id.replace('export-', ''), parent),
  }));
}
