/**
 * A stand-in for an index of Python packages on this machine: the part of its interface that installing asks for, over
 * real files, in both of its forms.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PackageIndex {
  /** For PIP_INDEX_URL. */
  readonly endpoint: string;
  /** Paths with their ranges, in order. */
  readonly requests: string[];
  /** Files by project and name; "yanked" files are listed as taken back. */
  readonly projects: Map<string, Map<string, Buffer>>;
  /** `json` tells sizes, `html` does not. */
  form: 'json' | 'html';
  /** The next answer with a file breaks off after so many bytes. */
  cutAfter: number | undefined;
  /** Sent instead of the file, in the same length. */
  flipped: boolean;
  /** Files are sent when it settles. */
  held: Promise<void>;
  close(): Promise<void>;
}

const json = 'application/vnd.pypi.simple.v1+json';

export async function startPackageIndex(): Promise<PackageIndex> {
  const server = createServer((request, response) => {
    const [kind = '', project = '', name = ''] = (request.url ?? '').slice(1).split('/');
    const { range } = request.headers;
    index.requests.push(`${request.url ?? ''}${range === undefined ? '' : ` ${range}`}`);
    const files = index.projects.get(project);
    if (kind === 'simple' && files !== undefined) {
      const answer = index.form === 'json' ? listJson(project, files) : listHtml(project, files);
      response.writeHead(200, {
        'content-type': index.form === 'json' ? json : 'text/html; charset=utf-8',
      });
      response.end(answer);
      return;
    }
    const content = files?.get(decodeURIComponent(name));
    if (kind !== 'files' || content === undefined) {
      response.writeHead(404).end();
      return;
    }
    void index.held.then(() => {
      const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
      const end = to === '' ? content.length : Number(to) + 1;
      const body = Buffer.from(content.subarray(Number(from), end));
      if (index.flipped) body[0] = (body[0] ?? 0) ^ 1;
      response.writeHead(range === undefined ? 200 : 206, {
        'content-length': body.length,
        ...(range && {
          'content-range': `bytes ${from}-${String(end - 1)}/${String(content.length)}`,
        }),
      });
      const { cutAfter } = index;
      if (cutAfter === undefined || body.length <= cutAfter) {
        response.end(body);
        return;
      }
      index.cutAfter = undefined;
      response.write(body.subarray(0, cutAfter), () => request.socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const index: PackageIndex = {
    endpoint: `${host}/simple`,
    requests: [],
    projects: new Map(),
    form: 'json',
    cutAfter: undefined,
    flipped: false,
    held: Promise.resolve(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return index;
}

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
const isYanked = (name: string): boolean => name.includes('yanked');

function listJson(project: string, files: ReadonlyMap<string, Buffer>): string {
  return JSON.stringify({
    meta: { 'api-version': '1.1' },
    name: project,
    files: [...files].map(([filename, content]) => ({
      filename,
      url: `../../files/${project}/${encodeURIComponent(filename)}`,
      hashes: { sha256: sha256(content) },
      size: content.length,
      yanked: isYanked(filename) ? 'a reason' : false,
    })),
  });
}

function listHtml(project: string, files: ReadonlyMap<string, Buffer>): string {
  const links = [...files].map(
    ([name, content]) =>
      `<a href="../../files/${project}/${encodeURIComponent(name)}#sha256=${sha256(content)}" data-requires-python="&gt;=3.9"${isYanked(name) ? ' data-yanked="a reason"' : ''}>${name}</a><br/>`,
  );
  return `<!DOCTYPE html><html><body>${links.join('\n')}</body></html>`;
}
