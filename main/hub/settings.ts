/**
 * Where the Hub is and how it may be reached. The variables are those of huggingface_hub, so that what works
 * in Python works here: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../lib/errors.ts';
import { Token, type Credential } from './token.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Limits of patience, in milliseconds. */
export interface Patience {
  readonly connectMs: number;
  /** Until an answer begins. */
  readonly answerMs: number;
  /** Between two pieces of an answer: a slow link is waited for as long as something comes. */
  readonly stallMs: number;
  /** Before each further attempt without progress; their number limits the attempts. */
  readonly pausesMs: readonly number[];
}

const usualPatience: Patience = {
  connectMs: 15_000,
  answerMs: 30_000,
  stallMs: 60_000,
  pausesMs: [1_000, 2_000, 4_000, 8_000],
};

export interface HubSettings {
  /** Without a slash at the end of its path. */
  readonly endpoint: URL;
  readonly cacheFolder: string;
  /** Why nothing may be asked of the network; undefined where it may. */
  readonly offline: string | undefined;
  readonly token: Credential | undefined;
  readonly proxies: { readonly http: string; readonly https: string; readonly none: string };
  readonly patience: Patience;
}

/** What a person has chosen; the environment decides the rest. */
export interface HubChoices {
  readonly endpoint?: string | undefined;
  /** Why nothing may be asked of the network. */
  readonly offline?: string | undefined;
  readonly token?: Token | undefined;
  readonly patience?: Patience;
}

const publicHub = 'https://huggingface.co';

/** Throws `hub.setting_invalid`. */
export function hubSettings(choices: HubChoices = {}, env: Environment = process.env): HubSettings {
  return {
    endpoint: parseEndpoint(choices.endpoint ?? nonEmpty(env['HF_ENDPOINT']) ?? publicHub),
    cacheFolder: hubCacheFolder(env),
    offline: choices.offline ?? offlineByEnvironment(env),
    token: choices.token,
    proxies: {
      http: proxy('HTTP_PROXY', env),
      https: proxy('HTTPS_PROXY', env),
      none: env['no_proxy'] ?? env['NO_PROXY'] ?? '',
    },
    patience: choices.patience ?? usualPatience,
  };
}

/** The cache that all programs of Hugging Face share on this machine. */
export function hubCacheFolder(env: Environment = process.env): string {
  const named = nonEmpty(env['HF_HUB_CACHE']) ?? nonEmpty(env['HUGGINGFACE_HUB_CACHE']);
  return named ?? join(hubHome(env), 'hub');
}

/** The variable by which everything of Hugging Face is told to stay offline. */
export function offlineByEnvironment(env: Environment = process.env): string | undefined {
  const name = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((variable) =>
    /^(?:1|on|yes|true)$/i.test(env[variable] ?? ''),
  );
  return name === undefined ? undefined : `${name} is set`;
}

/** Tokens a person may allow to be used: of the environment, or kept by `hf auth login`. */
export const tokenSources = {
  env: (env: Environment): string | undefined => nonEmpty(env['HF_TOKEN']),
  saved(env: Environment): string | undefined {
    const file = nonEmpty(env['HF_TOKEN_PATH']) ?? join(hubHome(env), 'token');
    try {
      return nonEmpty(readFileSync(file, 'utf8').trim());
    } catch {
      return undefined;
    }
  },
} as const;
export type TokenSource = keyof typeof tokenSources;

/** Throws `hub.setting_invalid` where there is no such token. */
export function foundToken(source: TokenSource, env: Environment = process.env): Token {
  const value = tokenSources[source](env);
  if (value !== undefined) return new Token(value);
  throw new AppError('hub.setting_invalid', {
    what:
      source === 'env' ? 'HF_TOKEN is not set' : 'no token is saved on this machine for the Hub',
    hint:
      source === 'env'
        ? 'set it to a token with the right to read'
        : 'save one with "hf auth login", or give one in HF_TOKEN',
  });
}

/** Throws `hub.setting_invalid`. */
export function parseEndpoint(text: string): URL {
  const fail = (what: string): never => {
    throw new AppError('hub.setting_invalid', {
      what: `the address of the Hub, "${text}", ${what}`,
      hint: `give an address such as ${publicHub}, or leave it out (HF_ENDPOINT too)`,
    });
  };
  if (!URL.canParse(text)) return fail('is no address');
  const url = new URL(text);
  if (!['http:', 'https:'].includes(url.protocol)) return fail('is not one of http or https');
  if (url.username !== '' || url.password !== '') return fail('holds a name or a password');
  if (url.search !== '' || url.hash !== '') return fail('has more than a host and a path');
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

function hubHome(env: Environment): string {
  const shared = nonEmpty(env['XDG_CACHE_HOME']) ?? join(homedir(), '.cache');
  return nonEmpty(env['HF_HOME']) ?? join(shared, 'huggingface');
}

/** As most programs read it: the name in lower case first, and ALL_PROXY last. */
function proxy(name: 'HTTP_PROXY' | 'HTTPS_PROXY', env: Environment): string {
  const found = env[name.toLowerCase()] ?? env[name] ?? env['all_proxy'] ?? env['ALL_PROXY'] ?? '';
  if (found === '') return '';
  const address = /^[a-z][a-z\d+.-]*:\/\//i.test(found) ? found : `http://${found}`;
  if (URL.canParse(address) && /^https?:/i.test(address)) return address;
  throw new AppError('hub.setting_invalid', {
    what: `the proxy of ${name} is no http or https address`,
    hint: `set ${name} to an address such as http://proxy:3128, or to nothing`,
  });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
