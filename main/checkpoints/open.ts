/** Opens whatever a person points at: a weight file, a shard index, or a model folder. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { AppError } from '../lib/errors.ts';
import type { StoredCheckpoint } from './checkpoint.ts';
import { checkpointError, shown } from './fail.ts';
import { huggingFaceConfig } from './open-clip-config.ts';
import { openWeights, PYTORCH_ENDINGS, type OpenOptions } from './open-weights.ts';
import { openSharded } from './sharded.ts';
import { tiedNames, tiedWarning } from './tied.ts';
import { unwrapped, withWarnings } from './views.ts';
import { accessError, WeightFile } from './weight-file.ts';

/**
 * The weight files a model folder may hold, the first that is there counts. Safetensors come before
 * pickles, and a single file before an index, as in the libraries that write both.
 */
const folderTable: readonly { readonly file: string; readonly note?: string }[] = [
  { file: 'model.safetensors' },
  { file: 'model.safetensors.index.json' },
  { file: 'diffusion_pytorch_model.safetensors' },
  { file: 'diffusion_pytorch_model.safetensors.index.json' },
  { file: 'open_clip_model.safetensors' },
  { file: 'pytorch_model.bin' },
  { file: 'pytorch_model.bin.index.json' },
  { file: 'diffusion_pytorch_model.bin' },
  { file: 'open_clip_pytorch_model.bin' },
  {
    file: 'adapter_model.safetensors',
    note: 'This is an adapter: it holds changes to a base model, not a model.',
  },
  {
    file: 'adapter_model.bin',
    note: 'This is an adapter: it holds changes to a base model, not a model.',
  },
];
/** Files of training programs that look like weights and are none. */
const notWeights = /^(?:training_args|optimizer|scheduler|scaler|rng_state.*)\.(?:bin|pt|pth)$/;
const MAX_CONFIG_BYTES = 10_000_000;
const MAX_LISTED = 20;

/** The parsed `config.json` of a folder, or what OpenCLIP's own description says as one; undefined when there is none. */
async function readConfig(folder: string): Promise<unknown> {
  const config = await readDescription(folder, 'config.json');
  if (config !== undefined) return config;
  const openClip = await readDescription(folder, 'open_clip_config.json');
  return openClip === undefined ? undefined : huggingFaceConfig(openClip);
}

async function readDescription(folder: string, name: string): Promise<unknown> {
  const path = join(folder, name);
  const fail = (what: string, cause?: unknown): never => {
    const hint = `replace it with the ${name} the model was published with`;
    throw checkpointError('checkpoint.config_unreadable', { what, file: path, hint, cause });
  };
  try {
    const file = await WeightFile.open(path);
    if (file.size > MAX_CONFIG_BYTES) fail(`it has ${file.size} bytes, too many for a ${name}`);
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    if (error instanceof AppError) {
      if (error.code === 'checkpoint.not_found') return undefined;
      throw error;
    }
    return fail('it is not valid JSON', error);
  }
}

function noWeights(folder: string, names: readonly string[], candidates: readonly string[]): never {
  const listed = names.slice(0, MAX_LISTED).map((name) => shown(name));
  const more = names.length > MAX_LISTED ? `, and ${names.length - MAX_LISTED} more` : '';
  const found = names.length === 0 ? 'it is empty' : `it holds ${listed.join(', ')}${more}`;
  const [first] = candidates;
  const hint =
    first === undefined
      ? 'choose the folder the weights are in'
      : `open the file that you mean itself, for example "${shown(first)}"`;
  throw checkpointError('checkpoint.no_weights', {
    what: `the folder has no model.safetensors, nor another weight file that stands out; ${found}`,
    file: folder,
    hint,
  });
}

/** The file of a folder to open, and what to say about that choice. */
function chooseFile(
  folder: string,
  names: readonly string[],
): { readonly file: string; readonly notes: readonly string[] } {
  const present = new Set(names);
  const row = folderTable.find(({ file }) => present.has(file));
  if (row !== undefined) {
    const unusual = !row.file.startsWith('model.safetensors');
    const notes = unusual ? [`Read from ${row.file}.`] : [];
    return { file: row.file, notes: row.note === undefined ? notes : [...notes, row.note] };
  }
  for (const endings of [['.safetensors'], PYTORCH_ENDINGS]) {
    const candidates = names.filter(
      (name) => endings.includes(extname(name)) && !notWeights.test(name),
    );
    const [file] = candidates;
    if (file === undefined) continue;
    if (candidates.length > 1) return noWeights(folder, names, candidates);
    return { file, notes: [`Read from ${shown(file)}, the only weight file in the folder.`] };
  }
  return noWeights(folder, names, []);
}

async function openFolder(folder: string, options: OpenOptions): Promise<StoredCheckpoint> {
  const { file, notes } = chooseFile(folder, (await readdir(folder)).sort());
  const config = await readConfig(folder);
  const checkpoint = await openFile(join(folder, file), { ...options, config, givenPath: folder });
  return notes.length === 0 ? checkpoint : withWarnings(checkpoint, notes);
}

function openFile(path: string, options: OpenOptions): Promise<StoredCheckpoint> {
  const isIndex = /\.(?:safetensors|bin)\.index\.json$/.test(path);
  if (isIndex) return openSharded(path, options.config, options.givenPath, options);
  return openWeights(path, options);
}

/**
 * Opens a checkpoint: a safetensors or PyTorch file, an index of either, or a model folder with one of
 * them in it. `config` is the `config.json` of the same folder, parsed. Weights wrapped by training code
 * (a `module.` before every name) are unwrapped, and `warnings` says so.
 * Throws an AppError `checkpoint.*` that names the file and says what to do.
 */
export async function openCheckpoint(
  path: string,
  options: Pick<OpenOptions, 'ignoreChecksums'> = {},
): Promise<StoredCheckpoint> {
  try {
    const folder = (await stat(path)).isDirectory();
    const config = folder ? undefined : await readConfig(dirname(path));
    const found = folder
      ? await openFolder(path, options)
      : await openFile(path, { ...options, config });
    const checkpoint = unwrapped(found);
    const tied = tiedWarning(tiedNames(checkpoint));
    return tied === undefined ? checkpoint : withWarnings(checkpoint, [tied]);
  } catch (error) {
    throw await accessError(error, path);
  }
}
