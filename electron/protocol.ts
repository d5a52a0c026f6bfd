/** app://mergewright/: the window's files and nothing else, with the headers that confine the page. */
import { protocol, type Session } from 'electron';
import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';

const scheme = 'app';
/** The origin of the window; compared as a whole, never by its beginning. */
export const origin = `${scheme}://mergewright`;

/** Svelte writes its templates through this policy, and nothing else may create markup. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-src 'none'",
  "frame-ancestors 'none'",
  "worker-src 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types svelte-trusted-html',
].join('; ');

const headers = {
  'Content-Security-Policy': contentSecurityPolicy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Before `ready`: standard, so that it has an origin; secure, so that nothing counts as mixed content. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

/** One segment of a path: begins with a letter or digit, so neither `..` nor a drive, share or hidden file. */
const segment = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/**
 * The file below `folder` that an address asks for, or undefined. Only plain names are taken, so no decoding trick
 * can leave the folder; links are followed and compared by relative path.
 */
export async function fileOfAddress(address: string, folder: string): Promise<string | undefined> {
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (`${url.protocol}//${url.host}` !== origin || url.username !== '' || url.port !== '') {
    return undefined;
  }
  const wanted = url.pathname === '/' ? '/index.html' : url.pathname;
  const segments = wanted.slice(1).split('/');
  if (!segments.every((name) => segment.test(name))) return undefined;
  if (contentTypes[path.extname(wanted)] === undefined) return undefined;
  try {
    const base = await realpath(folder);
    const file = await realpath(path.join(base, ...segments));
    const inside = path.relative(base, file);
    if (inside === '' || inside.startsWith('..') || path.isAbsolute(inside)) return undefined;
    return (await stat(file)).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Serves the built window below `folder`. */
export function serveWindow(session: Session, folder: string): void {
  session.protocol.handle(scheme, async (request) => {
    const file = request.method === 'GET' ? await fileOfAddress(request.url, folder) : undefined;
    if (file === undefined) return new Response('not found', { status: 404, headers });
    const type = contentTypes[path.extname(file)]!;
    const content = new Uint8Array(await readFile(file));
    return new Response(content, { headers: { ...headers, 'Content-Type': type } });
  });
}
