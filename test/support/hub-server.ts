/**
 * A stand-in for the Hugging Face Hub on this machine: the part of its HTTP interface that downloads use, over real
 * files, with the ways in which networks and servers fail. Large files lie on a second host, as on the real Hub, which
 * refuses requests that bring a token along, as its stores do.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface HubRequest {
  readonly host: 'hub' | 'store';
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** What happens to one request. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** The connection is cut after so many bytes of the body. */
  | { readonly kind: 'cut'; readonly after: number }
  /** Nothing comes after so many bytes; the connection stays open. */
  | { readonly kind: 'silence'; readonly after: number }
  /** Pieces of so many bytes with a pause between them. */
  | { readonly kind: 'slow'; readonly piece: number; readonly pauseMs: number }
  | { readonly kind: 'flipped byte' }
  | { readonly kind: 'more bytes' }
  | { readonly kind: 'range ignored' }
  | { readonly kind: 'another part' }
  | { readonly kind: 'redirect'; readonly to: string }
  | { readonly kind: 'body'; readonly text: string }
  | { readonly kind: 'headers'; readonly headers: Record<string, string> };

interface Model {
  /** By commit. */
  readonly commits: Map<string, Map<string, Buffer>>;
  /** By branch or tag. */
  readonly refs: Map<string, string>;
  access: 'public' | 'gated' | 'private';
}

export interface HubServer {
  readonly endpoint: string;
  readonly storeHost: string;
  readonly requests: HubRequest[];
  /** Adds or changes a model; returns the commit. */
  add(id: string, files: ReadonlyMap<string, Buffer>, branch?: string): string;
  restrict(id: string, access: Model['access']): void;
  /** Requests whose path contains `part` meet these faults, one each, in order. */
  fail(part: string, ...faults: readonly Fault[]): void;
  close(): Promise<void>;
}

/** The only token that opens gated and private models. */
export const goodToken = 'hf_goodtokenforthestandin';

const largeFile = /\.(?:safetensors|bin)$/;

export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function gitSha1Of(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex');
}

/** The files of a folder, for `add`. */
export async function filesIn(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of (await readdir(folder)).sort()) {
    files.set(name, await readFile(join(folder, name)));
  }
  return files;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function startHubServer(): Promise<HubServer> {
  const models = new Map<string, Model>();
  const stored = new Map<string, Buffer>();
  const faults: { part: string; left: Fault[] }[] = [];
  const requests: HubRequest[] = [];
  const sockets = new Set<Socket>();

  const faultOf = (path: string): Fault | undefined =>
    faults.find(({ part, left }) => path.includes(part) && left.length > 0)?.left.shift();

  const note = (host: HubRequest['host'], { url = '', headers }: IncomingMessage): void => {
    requests.push({
      host,
      path: decodeURIComponent(url),
      authorization: headers.authorization,
      range: headers.range,
    });
  };

  const store = createServer((request, response) => {
    note('store', request);
    const url = new URL(request.url ?? '/', 'http://store');
    const fault = faultOf(url.pathname);
    const content = stored.get(url.pathname.slice(1));
    if (request.headers.authorization !== undefined) return answer(response, 400);
    if (content === undefined || url.searchParams.get('signature') !== 'valid') {
      return answer(response, 403);
    }
    void send(request, response, content, fault, { etag: '"of-the-store"' });
  });
  const storeHost = await listen(store);

  const hub = createServer((request, response) => {
    note('hub', request);
    const url = new URL(request.url ?? '/', 'http://hub');
    const fault = faultOf(decodeURIComponent(url.pathname));
    if (fault?.kind === 'status') return answer(response, fault.status, fault.headers);
    if (fault?.kind === 'redirect') return answer(response, 302, { location: fault.to });
    if (fault?.kind === 'body') return answer(response, 200, {}, fault.text);
    const authorized = request.headers.authorization === `Bearer ${goodToken}`;
    const parts = url.pathname.slice(1).split('/').map(decodeURIComponent);
    const isApi = parts[0] === 'api';
    const [owner = '', name = '', verb = '', revision = '', ...rest] = parts.slice(isApi ? 2 : 0);
    const id = `${owner}/${name}`;
    const model = models.get(id);
    if (request.headers.authorization !== undefined && !authorized) {
      return answer(response, 401, { 'x-error-message': 'Invalid credentials' });
    }
    if (model === undefined || (model.access === 'private' && !authorized)) {
      // What exists in private is not told from what does not exist.
      const status = authorized ? 404 : 401;
      return answer(response, status, { 'x-error-code': 'RepoNotFound' });
    }
    const commit = model.refs.get(revision) ?? revision;
    const files = model.commits.get(commit);
    if (files === undefined) return answer(response, 404, { 'x-error-code': 'RevisionNotFound' });
    if (isApi) {
      if (verb !== 'revision' || url.searchParams.get('blobs') !== 'true') {
        return answer(response, 404);
      }
      return answer(
        response,
        200,
        { 'content-type': 'application/json' },
        JSON.stringify(describe(id, commit, files)),
      );
    }
    if (verb !== 'resolve') return answer(response, 404);
    if (model.access === 'gated' && !authorized) {
      return answer(response, 401, { 'x-error-code': 'GatedRepo' });
    }
    const content = files.get(rest.join('/'));
    if (content === undefined) return answer(response, 404, { 'x-error-code': 'EntryNotFound' });
    if (!largeFile.test(rest.join('/'))) {
      const headers = { etag: `"${gitSha1Of(content)}"`, 'x-repo-commit': commit };
      return void send(request, response, content, fault, headers);
    }
    const hash = sha256Of(content);
    stored.set(hash, content);
    answer(response, 302, {
      location: `${storeHost}/${hash}?signature=valid`,
      etag: `"${gitSha1Of(content)}"`,
      'x-linked-etag': `"${hash}"`,
      'x-linked-size': String(content.byteLength),
      'x-repo-commit': commit,
      ...(fault?.kind === 'headers' ? fault.headers : {}),
    });
  });
  const endpoint = await listen(hub);
  for (const server of [hub, store]) {
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
  }

  return {
    endpoint,
    storeHost,
    requests,
    add(id, files, branch = 'main') {
      const model = models.get(id) ?? { commits: new Map(), refs: new Map(), access: 'public' };
      models.set(id, model);
      const hashes = [...files].map(([name, content]) => `${name} ${sha256Of(content)}`);
      const commit = createHash('sha1')
        .update(`${id}\n${hashes.join('\n')}`)
        .digest('hex');
      model.commits.set(commit, new Map(files));
      model.refs.set(branch, commit);
      return commit;
    },
    restrict(id, access) {
      models.get(id)!.access = access;
    },
    fail(part, ...wanted) {
      faults.push({ part, left: [...wanted] });
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const server of [hub, store]) {
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    },
  };
}

function describe(id: string, sha: string, files: ReadonlyMap<string, Buffer>): object {
  return {
    _id: '1',
    id,
    modelId: id,
    sha,
    private: false,
    gated: false,
    tags: ['safetensors'],
    siblings: [...files].map(([rfilename, content]) => ({
      rfilename,
      size: content.byteLength,
      blobId: gitSha1Of(content),
      ...(largeFile.test(rfilename)
        ? { lfs: { sha256: sha256Of(content), size: content.byteLength, pointerSize: 134 } }
        : {}),
    })),
  };
}

function answer(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  text = '',
): void {
  response.writeHead(status, headers);
  response.end(text);
}

/** Sends a content, or the part asked for, through a fault. */
async function send(
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
  fault: Fault | undefined,
  headers: Record<string, string>,
): Promise<void> {
  if (fault?.kind === 'status') {
    answer(response, fault.status, fault.headers);
    return;
  }
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const begin = asked === null || fault?.kind === 'range ignored' ? 0 : Number(asked[1]);
  if (begin >= content.byteLength && content.byteLength > 0) {
    answer(response, 416, { 'content-range': `bytes */${content.byteLength}` });
    return;
  }
  let body = content.subarray(begin);
  if (fault?.kind === 'flipped byte') {
    body = Buffer.from(body);
    body[body.length >> 1]! ^= 1;
  }
  if (fault?.kind === 'more bytes') body = Buffer.concat([body, Buffer.alloc(10)]);
  const claimed = fault?.kind === 'another part' ? begin + 1 : begin;
  const partial = begin > 0 || fault?.kind === 'another part';
  response.writeHead(partial ? 206 : 200, {
    ...headers,
    'accept-ranges': 'bytes',
    'content-length': body.byteLength,
    ...(partial
      ? { 'content-range': `bytes ${claimed}-${content.byteLength - 1}/${content.byteLength}` }
      : {}),
  });
  if (fault?.kind === 'cut' || fault?.kind === 'silence') {
    response.write(body.subarray(0, fault.after), () => {
      if (fault.kind === 'cut') response.destroy();
    });
    return;
  }
  if (fault?.kind === 'slow') {
    for (let at = 0; at < body.length && !response.destroyed; at += fault.piece) {
      response.write(body.subarray(at, at + fault.piece));
      await delay(fault.pauseMs);
    }
    response.end();
    return;
  }
  response.end(body);
}
