/** Opens whatever a person points at: a weight file, a shard index, or a model folder. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../lib/errors.ts';
import type { StoredCheckpoint } from './checkpoint.ts';
import { checkpointError, shown } from './fail.ts';
import { openSafetensors } from './safetensors.ts';
import { openSharded } from './sharded.ts';
import { accessError, WeightFile } from './weight-file.ts';

const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const CONFIG = 'config.json';
const MAX_CONFIG_BYTES = 10_000_000;
const MAX_LISTED = 20;

/** The parsed `config.json` of a folder; undefined when there is none. */
async function readConfig(folder: string): Promise<unknown> {
  const path = join(folder, CONFIG);
  const fail = (what: string, cause?: unknown): never => {
    const hint = 'replace it with the config.json the model was published with';
    throw checkpointError('checkpoint.config_unreadable', { what, file: path, hint, cause });
  };
  try {
    const file = await WeightFile.open(path);
    if (file.size > MAX_CONFIG_BYTES) fail(`it has ${file.size} bytes, too many for a config.json`);
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    if (error instanceof AppError) {
      if (error.code === 'checkpoint.not_found') return undefined;
      throw error;
    }
    return fail('it is not valid JSON', error);
  }
}

async function noWeights(folder: string, names: readonly string[]): Promise<never> {
  const listed = names.slice(0, MAX_LISTED).map((name) => shown(name));
  const more = names.length > MAX_LISTED ? `, and ${names.length - MAX_LISTED} more` : '';
  const found = names.length === 0 ? 'it is empty' : `it holds ${listed.join(', ')}${more}`;
  const other = names.find((name) => name.endsWith('.safetensors'));
  const hint =
    other === undefined
      ? 'choose the folder the weights are in, or convert them to safetensors first'
      : `open the file "${shown(other)}" itself if it is the one you mean`;
  throw checkpointError('checkpoint.no_weights', {
    what: `the folder has no ${WEIGHTS} and no ${INDEX}; ${found}`,
    file: folder,
    hint,
  });
}

async function openFolder(folder: string): Promise<StoredCheckpoint> {
  const names = (await readdir(folder)).sort();
  if (!names.includes(WEIGHTS) && !names.includes(INDEX)) return noWeights(folder, names);
  const config = await readConfig(folder);
  // A single file wins over an index, as it does in the libraries that write both.
  if (names.includes(WEIGHTS)) return openSafetensors(join(folder, WEIGHTS), config, folder);
  return openSharded(join(folder, INDEX), config, folder);
}

/**
 * Opens a checkpoint: a `.safetensors` file, a `*.safetensors.index.json`, or a model folder with
 * `model.safetensors` or the index in it. `config` is the `config.json` of the same folder, parsed.
 * Throws an AppError `checkpoint.*` that names the file and says what to do.
 */
export async function openCheckpoint(path: string): Promise<StoredCheckpoint> {
  try {
    if ((await stat(path)).isDirectory()) return await openFolder(path);
    const config = await readConfig(dirname(path));
    if (path.endsWith('.safetensors.index.json')) return await openSharded(path, config);
    return await openSafetensors(path, config);
  } catch (error) {
    throw await accessError(error, path);
  }
}
