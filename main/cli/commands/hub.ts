import { findSnapshot } from '../../hub/cache.ts';
import { HubClient } from '../../hub/client.ts';
import { assess, fetchModels, type ModelNeeds } from '../../hub/fetch.ts';
import { formatHubName, hubReference, requireHubName, type HubName } from '../../hub/name.ts';
import { findPreset, modelsOfPreset, presets, requirePreset } from '../../hub/presets.ts';
import { offlineBySetting, readSavedSettings } from '../../hub/saved-settings.ts';
import { foundToken, hubCacheFolder, hubSettings } from '../../hub/settings.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';
import { UsageError } from '../failure.ts';
import { displayWidth, padEnd, padStart } from '../terminal.ts';

export const hub = defineCommand({
  name: 'hub',
  summary: 'List, measure and download models of the Hugging Face Hub',
  description:
    'list shows the collections that are known here and what of them is on this machine, without a network. size asks the Hub how large models are and how much of that is missing; get downloads it. ' +
    'A NAME is a collection of list, or owner/name, with @ and a revision or not. ' +
    'Files are kept where Hugging Face’s own programs keep them (HF_HOME, HF_HUB_CACHE), and what those have fetched is not fetched again. A download that broke off goes on where it did. ' +
    'Recipes name such a model hub:owner/name@commit. HF_ENDPOINT, HF_HUB_OFFLINE, HTTPS_PROXY and NO_PROXY are respected; no other command uses the network.',
  example: 'mergewright hub get clip-vit-base-patch32-8',
  positionals: [
    { name: 'ACTION', summary: 'list, size or get' },
    { name: 'NAME', summary: 'a collection, or a model', optional: true, repeated: true },
  ],
  options: {
    offline: { kind: 'flag', summary: 'ask nothing of the network; use what is here' },
    endpoint: { kind: 'text', value: 'URL', summary: 'another Hub, or a mirror' },
    token: {
      kind: 'text',
      value: 'SOURCE',
      choices: ['env', 'saved'],
      summary: 'use the token in HF_TOKEN, or the one that hf auth login saved; otherwise none',
    },
  },
  async run(values, [action = '', ...names], context) {
    if (action === 'list') {
      if (names.length > 0) throw new UsageError('hub list takes no names', 'hub');
      return list();
    }
    if (action !== 'size' && action !== 'get') {
      throw new UsageError(`hub has list, size and get, but no "${action}"`, 'hub');
    }
    if (names.length === 0) throw new UsageError(`hub ${action} needs a NAME`, 'hub');
    const saved = await readSavedSettings();
    const settings = hubSettings({
      endpoint: values.endpoint ?? saved.endpoint ?? undefined,
      offline: values.offline ? '--offline is given' : offlineBySetting(saved),
      token: values.token === undefined ? undefined : foundToken(values.token),
    });
    const client = new HubClient(settings);
    try {
      const models = namesOf(names);
      context.progress.start('Asking for sizes', 0, 'models');
      const needs = await assess(client, models, context.signal);
      context.progress.abandon();
      return action === 'size' ? sizes(needs) : await get(client, needs, context);
    } finally {
      await client.close();
    }
  },
});

/** A plain word is a collection; models have an owner. */
function namesOf(words: readonly string[]): readonly HubName[] {
  const texts = words.flatMap((word) => {
    const preset = findPreset(word);
    if (preset !== undefined) return modelsOfPreset(preset);
    const isModel = /[/@:]/.test(word);
    return isModel ? [word] : modelsOfPreset(requirePreset(word));
  });
  const models = texts.map(requireHubName);
  return [...new Map(models.map((name) => [formatHubName(name), name])).values()];
}

function list(): CommandResult {
  const cache = hubCacheFolder();
  const cards = presets.map((preset) => {
    const models = modelsOfPreset(preset);
    const here = models.filter(
      (model) => findSnapshot(cache, requireHubName(model)) !== undefined,
    ).length;
    const { base, expert } = preset.approximateBytes;
    const approximateBytes = base + expert * preset.experts.length;
    return { id: preset.id, title: preset.title, approximateBytes, models, here };
  });
  const rows = cards.map(({ id, title, approximateBytes, models, here }) => [
    id,
    title,
    `about ${bytes(approximateBytes)}`,
    `${here} of ${models.length} here`,
  ]);
  return { text: `${table(rows, 2)}\n\nKept in ${cache}`, json: { cache, presets: cards } };
}

function sizes(needs: readonly ModelNeeds[]): CommandResult {
  const models = needs.map(({ name, commit, totalBytes, missingBytes, begunBytes }) => ({
    name: name.repository,
    commit,
    reference: hubReference(name.repository, commit),
    totalBytes,
    missingBytes,
    begunBytes,
  }));
  const rows = models.map(({ reference, totalBytes, missingBytes }) => [
    reference.slice('hub:'.length),
    totalBytes === null ? 'here' : bytes(totalBytes),
    missingBytes === 0 ? 'nothing missing' : `${bytes(missingBytes)} missing`,
  ]);
  const missingBytes = total(models.map((model) => model.missingBytes));
  const begunBytes = total(models.map((model) => model.begunBytes));
  const begun = begunBytes === 0 ? '' : `, ${bytes(begunBytes)} of it begun`;
  return {
    text: `${table(rows, 1)}\n\nTo download: ${bytes(missingBytes)}${begun}`,
    json: { models, missingBytes, begunBytes },
  };
}

async function get(
  client: HubClient,
  needs: readonly ModelNeeds[],
  { signal, progress }: CommandContext,
): Promise<CommandResult> {
  const missingBytes = total(needs.map((model) => model.missingBytes));
  if (missingBytes > 0) {
    const lacking = needs.filter((model) => model.missingBytes > 0);
    progress.log(
      `${bytes(missingBytes)} to download for ${lacking.map(({ name }) => formatHubName(name)).join(', ')}`,
    );
    progress.start('Downloading', megabytes(missingBytes), 'MB');
  }
  const fetched = await fetchModels(client, needs, {
    signal,
    onProgress: ({ done, current }) => progress.update(megabytes(done), current[0] ?? ''),
  });
  progress.finish('');
  const models = fetched.map(({ name, commit, path }) => ({
    name: name.repository,
    commit,
    reference: hubReference(name.repository, commit),
    path,
  }));
  return {
    text: models.map(({ reference, path }) => `${reference}\n  ${path}`).join('\n'),
    json: { models, downloadedBytes: missingBytes },
  };
}

/** Columns side by side; from the column `right` on they end at the same place. */
function table(rows: readonly (readonly string[])[], right: number): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column < right ? padEnd : padStart)(cell, widths[column] ?? 0))
      .join('  ');
  return rows.map(line).join('\n');
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function megabytes(value: number): number {
  return Math.round(value / 1e6);
}

function bytes(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} GB`;
  return value >= 1e6 ? `${(value / 1e6).toFixed(0)} MB` : `${(value / 1e3).toFixed(1)} kB`;
}
