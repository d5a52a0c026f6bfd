/** What a person has settled about the network, for the terminal and the window alike; never a token. */
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writing } from '../lib/durable-file.ts';
import { writeFileDurably } from '../lib/durable.ts';

const schema = z.strictObject({
  /** `ask`: a download begins when a person asks for it. `offline`: never. */
  network: z.enum(['ask', 'offline']),
  /** Another address than that of the environment or the public Hub. */
  endpoint: z.string().nullable(),
});
export type SavedSettings = z.output<typeof schema>;

const initial: SavedSettings = { network: 'ask', endpoint: null };

type Environment = Readonly<Record<string, string | undefined>>;

function settingsFile(env: Environment): string {
  const own = env['MERGEWRIGHT_USER_DATA'] ?? '';
  if (own !== '') return join(own, 'hub.json');
  const folder = env['XDG_CONFIG_HOME'] ?? env['APPDATA'] ?? join(homedir(), '.config');
  return join(folder, 'mergewright', 'hub.json');
}

/** A file that is damaged counts as none: nothing is asked of the network without a person anyway. */
export async function readSavedSettings(env: Environment = process.env): Promise<SavedSettings> {
  try {
    return schema.parse(JSON.parse(await readFile(settingsFile(env), 'utf8')));
  } catch {
    return initial;
  }
}

/** Throws `file.*`. */
export async function saveSettings(
  settings: SavedSettings,
  env: Environment = process.env,
): Promise<void> {
  const file = settingsFile(env);
  await writing(file, mkdir(dirname(file), { recursive: true }));
  await writeFileDurably(file, `${JSON.stringify(settings, null, 2)}\n`);
}

/** Why a saved setting forbids the network; undefined where it does not. */
export function offlineBySetting({ network }: SavedSettings): string | undefined {
  return network === 'offline' ? 'the network is switched off in the settings' : undefined;
}
