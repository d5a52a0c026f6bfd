/** What the window has chosen about the Hub, and the one download that goes on at a time. */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HubFinished, HubPreset, HubProgress, HubSize, HubState } from '../../api/hub.ts';
import { findSnapshot } from '../../hub/cache.ts';
import { HubClient } from '../../hub/client.ts';
import { assess, fetchModels } from '../../hub/fetch.ts';
import { formatHubName, requireHubName, type HubName } from '../../hub/name.ts';
import { modelsOfPreset, presets } from '../../hub/presets.ts';
import { offlineBySetting, readSavedSettings, saveSettings } from '../../hub/saved-settings.ts';
import {
  foundToken,
  hubCacheFolder,
  hubSettings,
  offlineByEnvironment,
  parseEndpoint,
  tokenSources,
} from '../../hub/settings.ts';
import { Token } from '../../hub/token.ts';
import { AppError } from '../../lib/errors.ts';

type TokenChoice =
  | { readonly source: 'none' | 'env' | 'saved' }
  | { readonly source: 'typed'; readonly token: Token };

export interface Configuration {
  readonly network?: HubState['network'] | undefined;
  readonly endpoint?: string | null | undefined;
  readonly token?:
    | { readonly source: 'none' | 'env' | 'saved' }
    | { readonly source: 'typed'; readonly value: string }
    | undefined;
}

/** More updates a second than these are of no use to a reader. */
const progressMs = 100;

export class HubDesk {
  #token: TokenChoice = { source: 'none' };
  #busy = false;

  async state(): Promise<HubState> {
    const saved = await readSavedSettings();
    const settings = hubSettings({ endpoint: saved.endpoint ?? undefined });
    return {
      network: saved.network,
      forbidden: offlineByEnvironment() ?? null,
      endpoint: settings.endpoint.href,
      chosenEndpoint: saved.endpoint,
      cache: settings.cacheFolder,
      tokensFound: {
        env: tokenSources.env(process.env) !== undefined,
        saved: tokenSources.saved(process.env) !== undefined,
      },
      token: this.#token.source,
    };
  }

  /** Throws `hub.setting_invalid` and what saving throws; nothing is changed then. */
  async configure({ network, endpoint, token }: Configuration): Promise<HubState> {
    const chosen = token === undefined ? this.#token : tokenChoice(token);
    if (typeof endpoint === 'string') parseEndpoint(endpoint);
    if (network !== undefined || endpoint !== undefined) {
      const saved = await readSavedSettings();
      await saveSettings({
        network: network ?? saved.network,
        endpoint: endpoint === undefined ? saved.endpoint : endpoint,
      });
    }
    this.#token = chosen;
    return this.state();
  }

  presets(): HubPreset[] {
    const cache = hubCacheFolder();
    return presets.map((preset) => {
      const { id, title, base, experts, approximateBytes } = preset;
      return {
        id,
        title,
        base,
        experts: experts.map((expert) => ({ ...expert })),
        approximateBytes: approximateBytes.base + experts.length * approximateBytes.expert,
        here: modelsOfPreset(preset).filter(
          (model) => findSnapshot(cache, requireHubName(model)) !== undefined,
        ).length,
      };
    });
  }

  async size(models: readonly string[], signal: AbortSignal | undefined): Promise<HubSize> {
    return this.#withClient(async (client) => {
      const needs = await assess(client, namesOf(models), signal);
      return {
        models: needs.map(({ name, commit, totalBytes, missingBytes, begunBytes }) => ({
          name: formatHubName(name),
          commit,
          totalBytes,
          missingBytes,
          begunBytes,
        })),
        missingBytes: sum(needs.map(({ missingBytes }) => missingBytes)),
        begunBytes: sum(needs.map(({ begunBytes }) => begunBytes)),
        freeDiskBytes: await freeBytes(client.settings.cacheFolder),
      };
    });
  }

  /** Throws `hub.busy`, and what `assess` and `fetchModels` throw. */
  async get(
    models: readonly string[],
    signal: AbortSignal,
    onProgress: (progress: HubProgress) => void,
  ): Promise<HubFinished> {
    if (this.#busy) {
      throw new AppError('hub.busy', {
        what: 'another download is going on',
        hint: 'wait for it, or cancel it; it can be gone on with later',
      });
    }
    this.#busy = true;
    try {
      return await this.#withClient(async (client) => {
        const needs = await assess(client, namesOf(models), signal);
        const rare = rarely(onProgress);
        const fetched = await fetchModels(client, needs, {
          signal,
          onProgress: ({ current, ...rest }) =>
            rare.tell({ type: 'progress', ...rest, current: [...current] }),
        }).finally(() => rare.flush());
        return {
          type: 'finished',
          models: fetched.map(({ name, commit, path }) => ({
            name: formatHubName(name),
            pinned: pinned(name, commit),
            location: path,
          })),
        };
      });
    } finally {
      this.#busy = false;
    }
  }

  async #withClient<T>(work: (client: HubClient) => Promise<T>): Promise<T> {
    const saved = await readSavedSettings();
    const chosen = this.#token;
    const client = new HubClient(
      hubSettings({
        endpoint: saved.endpoint ?? undefined,
        offline: offlineBySetting(saved),
        token:
          chosen.source === 'typed'
            ? chosen.token
            : chosen.source === 'none'
              ? undefined
              : foundToken(chosen.source),
      }),
    );
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }
}

/** Passes values on a few times a second; the last one is never lost, also when no other follows. */
function rarely<Value>(tell: (value: Value) => void) {
  let latest: { readonly value: Value } | undefined;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (latest !== undefined) tell(latest.value);
    latest = undefined;
  };
  return {
    tell(value: Value): void {
      latest = { value };
      timer ??= setTimeout(flush, progressMs);
    },
    flush,
  };
}

function tokenChoice(token: NonNullable<Configuration['token']>): TokenChoice {
  if (token.source === 'typed') return { source: 'typed', token: new Token(token.value) };
  if (token.source !== 'none') foundToken(token.source);
  return { source: token.source };
}

function namesOf(models: readonly string[]): readonly HubName[] {
  const names = models.map(requireHubName);
  return [...new Map(names.map((name) => [formatHubName(name), name])).values()];
}

function pinned({ repository }: HubName, commit: string): string {
  return formatHubName({ repository, revision: commit });
}

/** Of the disk on which the cache is, or will be. */
async function freeBytes(folder: string): Promise<number | null> {
  const parent = dirname(folder);
  if (!existsSync(folder) && parent !== folder) return freeBytes(parent);
  const disk = await statfs(folder).catch(() => undefined);
  return disk === undefined ? null : disk.bavail * disk.bsize;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
