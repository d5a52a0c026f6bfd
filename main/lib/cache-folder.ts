/** Where what can be made again is kept for one person on one machine. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Read anew at every call: the environment may be changed while the program runs. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  return join(XDG_CACHE_HOME ?? LOCALAPPDATA ?? join(homedir(), '.cache'), 'mergewright');
}
