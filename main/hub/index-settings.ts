/**
 * Where the index of Python packages is: as pip is told, so that a mirror that serves pip serves this too.
 * https://pip.pypa.io/en/stable/topics/configuration/
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../lib/errors.ts';
import type { HubSettings } from './settings.ts';
import { Login } from './token.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const publicIndex = 'https://pypi.org/simple';

/** Those of the Hub (patience, proxies, whether the network may be used) for the index. Throws `hub.setting_invalid`. */
export function indexSettings(hub: HubSettings, env: Environment = process.env): HubSettings {
  const text = env['PIP_INDEX_URL'] ?? indexOfFiles(env) ?? publicIndex;
  if (!URL.canParse(text) || !/^https?:/i.test(text)) {
    throw new AppError('hub.setting_invalid', {
      what: 'the address of the index of Python packages is no http or https address',
      hint: `set PIP_INDEX_URL, or index-url in pip's configuration, to an address such as ${publicIndex}`,
    });
  }
  const endpoint = new URL(text);
  const { username, password } = endpoint;
  const login = new Login(decodeURIComponent(username), decodeURIComponent(password));
  endpoint.username = '';
  endpoint.password = '';
  endpoint.pathname = endpoint.pathname.replace(/\/+$/, '');
  return { ...hub, endpoint, token: username === '' ? undefined : login };
}

/** The last file that names an index counts. */
function indexOfFiles(env: Environment): string | undefined {
  return configurationFiles(env)
    .map(indexOfFile)
    .findLast((found) => found !== undefined);
}

function configurationFiles(env: Environment): readonly string[] {
  const { PIP_CONFIG_FILE: named, XDG_CONFIG_HOME, APPDATA } = env;
  const home = env['HOME'] ?? homedir();
  const files = {
    linux: [
      '/etc/pip.conf',
      join(home, '.pip', 'pip.conf'),
      join(XDG_CONFIG_HOME ?? join(home, '.config'), 'pip', 'pip.conf'),
    ],
    darwin: [
      '/Library/Application Support/pip/pip.conf',
      join(home, '.pip', 'pip.conf'),
      join(home, '.config', 'pip', 'pip.conf'),
      join(home, 'Library', 'Application Support', 'pip', 'pip.conf'),
    ],
    win32: [join(home, 'pip', 'pip.ini'), join(APPDATA ?? home, 'pip', 'pip.ini')],
  };
  const usual = process.platform in files ? files[process.platform as keyof typeof files] : [];
  // pip reads no file at all when the variable names the null device.
  if (named === '/dev/null' || named === 'nul') return [];
  return named === undefined ? usual : [...usual, named];
}

/** `index-url` under the headings that count for downloads. */
function indexOfFile(file: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  let section = '';
  let found: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    section = /^\[(.+)\]/.exec(line)?.[1] ?? section;
    const value = /^index[-_]url\s*[=:]\s*(\S+)/.exec(line)?.[1];
    if (['global', 'install', 'download'].includes(section)) found = value ?? found;
  }
  return found;
}
