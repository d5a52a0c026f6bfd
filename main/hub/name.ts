/** Names of models on the Hugging Face Hub. */
import { AppError } from '../lib/errors.ts';

export interface HubName {
  /** `owner/name`; models of the Hub's first days have no owner. */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** Marks a name of the Hub where a path could stand as well. */
const scheme = 'hub:';
const defaultRevision = 'main';

const part = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?';
const repositoryPattern = new RegExp(`^${part}(?:/${part})?$`);
const revisionPattern = /^[A-Za-z0-9_][\w.-]*(?:\/[\w-][\w.-]*)*$/;
const commitPattern = /^[0-9a-f]{40}$/;

/** Whether a revision is a commit, which never changes. */
export function isCommit(revision: string): boolean {
  return commitPattern.test(revision);
}

/** Whether a reference says by its form that it means a model of the Hub. */
export function isHubReference(reference: string): boolean {
  return reference.startsWith(scheme);
}

/** The model that `owner/name`, `owner/name@revision` or either with `hub:` before it means. */
export function parseHubName(written: string): HubName | undefined {
  const text = isHubReference(written) ? written.slice(scheme.length) : written;
  const at = text.indexOf('@');
  const repository = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? defaultRevision : text.slice(at + 1);
  // The Hub forbids both: its cache writes "/" as "--".
  if (/--|\.\./.test(repository) || revision.includes('..')) return undefined;
  const valid = repositoryPattern.test(repository) && revisionPattern.test(revision);
  return valid && revision.length <= 200 ? { repository, revision } : undefined;
}

/** As `parseHubName`; throws `hub.name_invalid`. */
export function requireHubName(written: string): HubName {
  const name = parseHubName(written);
  if (name !== undefined) return name;
  throw new AppError('hub.name_invalid', {
    what: `"${written}" is no name of a model on the Hub`,
    hint: 'write it as owner/name or owner/name@revision, as the page of the model shows it',
  });
}

/** As people write it; the usual revision is left out. */
export function formatHubName({ repository, revision }: HubName): string {
  return revision === defaultRevision ? repository : `${repository}@${revision}`;
}

/** How recipes and projects write a model down: with the commit, so that it never changes. */
export function hubReference(repository: string, commit: string): string {
  return `${scheme}${repository}@${commit}`;
}
