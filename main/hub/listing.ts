/** What the Hub says of a model: its commit, and name, size and checksum of each file, in one answer. */
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import type { HubClient } from './client.ts';
import { shown } from './client.ts';
import { invalidAnswer } from './failures.ts';
import { neededFiles } from './files.ts';
import { formatHubName, type HubName } from './name.ts';

export interface RemoteFile {
  readonly name: string;
  readonly size: number;
  /** Of the content (large files), or of git's blob of it; also its name in the cache. */
  readonly checksum: { readonly kind: 'sha256' | 'git-sha1'; readonly hex: string };
}

export interface Listing {
  readonly name: HubName;
  readonly commit: string;
  /** Those that a merge needs, weights last. */
  readonly files: readonly RemoteFile[];
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const sha1 = z.string().regex(/^[0-9a-f]{40}$/);
const size = z.int().min(0);

/** https://huggingface.co/docs/hub/api: /api/models/{id}/revision/{revision}?blobs=true */
const answerSchema = z.object({
  sha: sha1,
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: size.nullish(),
      blobId: z.string().nullish(),
      lfs: z.object({ sha256, size }).nullish(),
    }),
  ),
});
type Sibling = z.output<typeof answerSchema>['siblings'][number];

/** Throws what `HubClient.json` throws, `hub.answer_invalid` and `hub.no_weights`. */
export async function listModel(
  client: HubClient,
  name: HubName,
  signal?: AbortSignal,
): Promise<Listing> {
  const { repository, revision } = name;
  const address = client.address('api', 'models', ...repository.split('/'), 'revision', revision);
  address.searchParams.set('blobs', 'true');
  const subject = { model: repository, revision };
  const parsed = answerSchema.safeParse(await client.json(address, subject, signal));
  if (!parsed.success) {
    throw invalidAnswer('it describes no model', shown(address), parsed.error);
  }
  const siblings = new Map(parsed.data.siblings.map((sibling) => [sibling.rfilename, sibling]));
  const needed = neededFiles(siblings.keys());
  if (needed === undefined) throw noWeights(name, [...siblings.keys()]);
  const files = needed.map((file) => remoteFile(siblings.get(file)!, shown(address)));
  return { name, commit: parsed.data.sha, files };
}

function remoteFile({ rfilename, size: plain, blobId, lfs }: Sibling, where: string): RemoteFile {
  if (lfs !== null && lfs !== undefined) {
    return { name: rfilename, size: lfs.size, checksum: { kind: 'sha256', hex: lfs.sha256 } };
  }
  if (typeof plain === 'number' && sha1.safeParse(blobId).success) {
    return { name: rfilename, size: plain, checksum: { kind: 'git-sha1', hex: blobId! } };
  }
  throw invalidAnswer(`it gives no size or checksum of ${rfilename}`, where);
}

function noWeights(name: HubName, files: readonly string[]): AppError {
  const most = 12;
  const named = files.slice(0, most).join(', ') + (files.length > most ? ', …' : '');
  return new AppError('hub.no_weights', {
    what: `"${formatHubName(name)}" has no whole set of weights of a known name`,
    where: named === '' ? 'an empty repository' : named,
    hint: 'it may be a data set, or hold a format that cannot be read here, such as GGUF',
  });
}
