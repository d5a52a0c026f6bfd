/** Models of the Hub as recipes and projects name them, found on this machine: no network is asked. */
import { basename, resolve } from 'node:path';
import { AppError, type ErrorDetails } from '../lib/errors.ts';
import { findSnapshot, referenceOf } from './cache.ts';
import { formatHubName, isHubReference, requireHubName, type HubName } from './name.ts';
import { approximateBytes } from './presets.ts';
import { hubCacheFolder } from './settings.ts';

/** The folder of a model of the Hub; undefined where it was not downloaded, or not all of it. */
export function findLocalModel(name: HubName): string | undefined {
  return findSnapshot(hubCacheFolder(), name);
}

/**
 * The path that `written` means in `folder`: a path, or `hub:owner/name@commit`. Throws `hub.not_downloaded`
 * and `hub.name_invalid`.
 */
export function modelPath(folder: string, written: string): string {
  if (!isHubReference(written)) return resolve(folder, written);
  const name = requireHubName(written);
  const found = findLocalModel(name);
  if (found !== undefined) return found;
  throw notDownloaded([name]);
}

/** How recipes and projects write a folder of the Hub's cache: by name and commit, so that it means the same on every machine. */
export function writtenModel(path: string): string | undefined {
  return referenceOf(hubCacheFolder(), path);
}

/** What a model at `path` is called: its name on the Hub, or that of its file or folder. */
export function modelTitle(path: string): string {
  const written = writtenModel(path);
  return written === undefined ? basename(path) : requireHubName(written).repository;
}

/** Models must be downloaded first. */
export class NotDownloadedError extends AppError {
  /** Their names, as the Hub is asked for them. */
  readonly models: readonly string[];

  constructor(models: readonly string[], details: ErrorDetails) {
    super('hub.not_downloaded', details);
    this.models = models;
  }
}

/** The error of models that must be downloaded first, with their size as far as it is known without asking. */
export function notDownloaded(names: readonly HubName[], where?: string): NotDownloadedError {
  const texts = names.map(formatHubName);
  const sizes = names.map(({ repository }) => approximateBytes(repository));
  const total = sizes.reduce<number | undefined>(
    (sum, size) => (sum === undefined || size === undefined ? undefined : sum + size),
    0,
  );
  const size = total === undefined ? '' : ` (about ${Math.round(total / 1e6)} MB)`;
  const listed = texts.map((text) => `"${text}"`).join(', ');
  return new NotDownloadedError(texts, {
    what:
      names.length === 1
        ? `${listed} is a model of the Hugging Face Hub that is not on this machine`
        : `${listed} are models of the Hugging Face Hub that are not on this machine`,
    ...(where === undefined ? {} : { where }),
    hint: `download ${names.length === 1 ? 'it' : 'them'}${size} in the Project view or with "mergewright hub get ${texts.join(' ')}"`,
  });
}
