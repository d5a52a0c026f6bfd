/**
 * The files of a project on an index of Python packages.
 * https://packaging.python.org/en/latest/specifications/simple-repository-api/
 */
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { header, shown, type HubClient } from './client.ts';
import { invalidAnswer, type Subject } from './failures.ts';

export interface IndexFile {
  readonly name: string;
  readonly address: URL;
  readonly sha256: string;
  /** Where the index tells it. */
  readonly size: number | undefined;
}

const json = 'application/vnd.pypi.simple.v1+json';
const accepted = `${json}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1`;
const sha256 = /^[0-9a-f]{64}$/;

const answerSchema = z.object({
  files: z.array(
    z.object({
      filename: z.string(),
      url: z.string(),
      hashes: z.record(z.string(), z.string()),
      size: z.int().min(0).nullish(),
      yanked: z.union([z.boolean(), z.string()]).optional(),
    }),
  ),
});

/** Files that were not taken back and whose checksum is told. Throws `hub.*`. */
export async function listIndexFiles(
  client: HubClient,
  project: string,
  signal?: AbortSignal,
): Promise<readonly IndexFile[]> {
  const address = client.address(project, '');
  const subject = subjectOf(client, `the package ${project}`);
  const { text, mediaType } = await client.text(address, subject, accepted, signal);
  return mediaType.endsWith('json') ? fromJson(text, address) : fromHtml(text, address);
}

/** The size of a file that nobody told: asked of the server that has it. */
export async function remoteSize(
  client: HubClient,
  address: URL,
  subject: Subject,
  signal?: AbortSignal,
): Promise<number> {
  return client.persist(signal, async () => {
    const { headers, body } = await client.get(address, subject, { range: 'bytes=0-0' }, signal);
    body.destroy();
    const part = /\/(\d+)$/.exec(header(headers, 'content-range') ?? '')?.[1];
    const size = Number(part ?? header(headers, 'content-length') ?? NaN);
    if (Number.isSafeInteger(size)) return size;
    throw invalidAnswer('it tells no size', shown(address));
  });
}

/** Words for what an index refuses. */
export function subjectOf({ settings }: HubClient, what: string): Subject {
  const { host } = settings.endpoint;
  return {
    refused: (status) => {
      const error = (code: AppError['code'], hint: string): AppError =>
        new AppError(code, { what: `${what} was not given (${status})`, where: host, hint });
      if (status === 404 || status === 410) {
        return error('hub.not_found', 'check the index in PIP_INDEX_URL or pip’s configuration');
      }
      if (status === 401 || status === 403) {
        return error(
          status === 401 ? 'hub.unauthorized' : 'hub.forbidden',
          'give the index in PIP_INDEX_URL with a name and password that may read it',
        );
      }
      return error('hub.server_failed', 'try again later; what was downloaded is kept');
    },
  };
}

function fromJson(text: string, where: URL): readonly IndexFile[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw invalidAnswer('it is not JSON', shown(where), cause);
  }
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) throw invalidAnswer('it lists no files', shown(where), parsed.error);
  return parsed.data.files.flatMap(({ filename, url, hashes, size, yanked }) => {
    if (yanked !== undefined && yanked !== false) return [];
    return indexFile(filename, url, hashes['sha256'], size ?? undefined, where);
  });
}

/** Links with the checksum behind "#"; https://peps.python.org/pep-0503/ */
function fromHtml(text: string, where: URL): readonly IndexFile[] {
  return [...text.matchAll(/<a\s([^>]*)>([^<]*)<\/a>/gi)].flatMap(([, marks = '', name = '']) => {
    const href = unescapeHtml(/\bhref\s*=\s*["']([^"']*)["']/i.exec(marks)?.[1] ?? '');
    if (/\bdata-yanked\b/i.test(marks) || href === '') return [];
    const [link = '', hash] = href.split('#sha256=');
    return indexFile(unescapeHtml(name).trim(), link, hash, undefined, where);
  });
}

function indexFile(
  name: string,
  link: string,
  hash: string | undefined,
  size: number | undefined,
  where: URL,
): readonly IndexFile[] {
  if (hash === undefined || !sha256.test(hash) || !URL.canParse(link, where.href)) return [];
  const address = new URL(link, where);
  if (!/^https?:$/.test(address.protocol)) return [];
  address.hash = '';
  return [{ name, address, sha256: hash, size }];
}

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};

function unescapeHtml(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities[entity] ?? entity);
}
