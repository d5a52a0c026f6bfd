/**
 * Requests to the Hub: the only place of the product that opens connections. Redirects are followed here, one
 * by one, as the Hub keeps large files on other hosts, and those must not see the token.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { EnvHttpProxyAgent, request, type Dispatcher } from 'undici';
import { AppError, CancelledError, throwIfCancelled } from '../lib/errors.ts';
import { invalidAnswer, mayPass, statusError, unreachable, type Subject } from './failures.ts';
import type { HubSettings } from './settings.ts';

export type Headers = Readonly<Record<string, string>>;

export interface HubAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  /** Of the Hub itself, also where another host gave the answer. */
  readonly firstHeaders: Dispatcher.ResponseData['headers'];
  readonly body: Dispatcher.ResponseData['body'];
}

const mostRedirects = 5;
const redirects = new Set([301, 302, 303, 307, 308]);
const userAgent = 'mergewright';
const largestTextBytes = 32 * 1024 * 1024;
/** The longest time that a server may ask us to wait. */
const longestWaitMs = 60_000;

/** One header as text; repeated ones count as absent. */
export function header(headers: HubAnswer['headers'], name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** An error after which the same request may succeed. */
export class PassingError extends Error {
  readonly failure: AppError;
  readonly waitMs: number | undefined;

  constructor(failure: AppError, waitMs?: number) {
    super(failure.message, { cause: failure });
    this.name = 'PassingError';
    this.failure = failure;
    this.waitMs = waitMs;
  }
}

export class HubClient {
  readonly settings: HubSettings;
  readonly #dispatcher: Dispatcher;

  constructor(settings: HubSettings) {
    this.settings = settings;
    const { proxies, patience } = settings;
    this.#dispatcher = new EnvHttpProxyAgent({
      httpProxy: proxies.http,
      httpsProxy: proxies.https,
      noProxy: proxies.none,
      connect: { timeout: patience.connectMs },
      headersTimeout: patience.answerMs,
      bodyTimeout: patience.stallMs,
    });
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /** An address below the endpoint; each segment is encoded. */
  address(...segments: readonly string[]): URL {
    const path = segments.map((segment) => encodeURIComponent(segment)).join('/');
    return new URL(`${this.settings.endpoint.href.replace(/\/$/, '')}/${path}`);
  }

  /**
   * The answer to one request, after redirects. Throws `hub.offline` before anything is sent, PassingError,
   * CancelledError, and `hub.*` for answers that are no success.
   */
  async get(
    address: URL,
    subject: Subject,
    headers: Headers,
    signal?: AbortSignal,
  ): Promise<HubAnswer> {
    this.#requireOnline();
    let url = address;
    let first: HubAnswer['headers'] | undefined;
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const answer = await this.#send(url, headers, signal);
      first ??= answer.headers;
      const status = answer.statusCode;
      if (!redirects.has(status)) {
        if (status === 200 || status === 206 || status === 416) {
          return { status, headers: answer.headers, firstHeaders: first, body: answer.body };
        }
        await discard(answer.body);
        throw this.#refused(answer, subject);
      }
      await discard(answer.body);
      url = next(url, header(answer.headers, 'location'));
    }
    throw invalidAnswer(`it is redirected more than ${mostRedirects} times`, shown(address));
  }

  /** The JSON at an address, asked for again while failures may pass. */
  async json(address: URL, subject: Subject, signal?: AbortSignal): Promise<unknown> {
    const { text } = await this.text(address, subject, 'application/json', signal);
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw invalidAnswer('it is not JSON', shown(address), cause);
    }
  }

  /** A text of one of the media types in `accept`, asked for again while failures may pass. */
  async text(
    address: URL,
    subject: Subject,
    accept: string,
    signal?: AbortSignal,
  ): Promise<{ readonly text: string; readonly mediaType: string }> {
    return this.persist(signal, async () => {
      const { status, headers, body } = await this.get(address, subject, { accept }, signal);
      if (status !== 200) throw invalidAnswer(`it is a part (${status})`, shown(address));
      let text = '';
      try {
        const decoder = new TextDecoder('utf-8', { fatal: true });
        for await (const chunk of body) {
          text += decoder.decode(chunk as Uint8Array, { stream: true });
          if (text.length > largestTextBytes) break;
        }
      } catch (error) {
        throw this.failed(error, address, signal);
      }
      if (text.length > largestTextBytes) {
        throw invalidAnswer('it is too long for a description', shown(address));
      }
      const [mediaType = ''] = (header(headers, 'content-type') ?? '').split(';');
      return { text, mediaType: mediaType.trim().toLowerCase() };
    });
  }

  /**
   * Runs `attempt` again while it throws PassingError, with growing pauses. An attempt that got further than
   * those before (`progress` grows) starts the count anew: a bad link may need many.
   */
  async persist<T>(
    signal: AbortSignal | undefined,
    attempt: () => Promise<T>,
    progress: () => number = () => 0,
  ): Promise<T> {
    const { pausesMs } = this.settings.patience;
    let failures = 0;
    let reached = progress();
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        throwIfCancelled(signal);
        if (!(error instanceof PassingError)) throw error;
        if (progress() > reached) failures = 0;
        reached = Math.max(reached, progress());
        const pause = pausesMs[failures++];
        if (pause === undefined) throw error.failure;
        await this.#wait(Math.max(pause, error.waitMs ?? 0), signal);
      }
    }
  }

  /** What a failure of a connection is thrown as: cancelled, or one that may pass. */
  failed(error: unknown, address: URL, signal?: AbortSignal): Error {
    if (signal?.aborted === true) return new CancelledError();
    if (error instanceof AppError || error instanceof PassingError) return error;
    return new PassingError(unreachable(error, address, this.settings));
  }

  async #wait(ms: number, signal?: AbortSignal): Promise<void> {
    await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    throwIfCancelled(signal);
  }

  async #send(url: URL, headers: Headers, signal?: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { endpoint, token } = this.settings;
    // The origin as a whole: another port or scheme is another host.
    const known = url.origin === endpoint.origin && token !== undefined;
    throwIfCancelled(signal);
    try {
      const response = await request(url, {
        dispatcher: this.#dispatcher,
        headers: {
          ...headers,
          // Lengths and ranges are those of the file itself.
          'accept-encoding': 'identity',
          'user-agent': userAgent,
          ...(known ? { authorization: token.authorization } : {}),
        },
        ...(signal === undefined ? {} : { signal }),
      });
      // Who reads the body is told of errors; a body that is given up must not end the process with one.
      response.body.on('error', () => undefined);
      return response;
    } catch (error) {
      throw this.failed(error, url, signal);
    }
  }

  #refused({ statusCode, headers }: Dispatcher.ResponseData, subject: Subject): Error {
    const reason = header(headers, 'x-error-code');
    const failure =
      'refused' in subject
        ? subject.refused(statusCode)
        : statusError(statusCode, reason, subject, this.settings);
    if (!mayPass(statusCode)) return failure;
    const seconds = Number(header(headers, 'retry-after') ?? 0);
    const waitMs = Number.isFinite(seconds) ? Math.min(1000 * seconds, longestWaitMs) : 0;
    return new PassingError(failure, waitMs);
  }

  #requireOnline(): void {
    const { offline, endpoint } = this.settings;
    if (offline === undefined) return;
    throw new AppError('hub.offline', {
      what: `nothing is asked of ${endpoint.host}, because ${offline}`,
      hint: 'allow the network again, or use models that are on this machine',
    });
  }
}

/** Where a redirect leads; an encrypted connection is never left for an open one. */
function next(from: URL, location: string | undefined): URL {
  const to = location !== undefined && URL.canParse(location, from.href);
  if (!to) throw invalidAnswer('it is redirected to nowhere', shown(from));
  const url = new URL(location, from);
  const safe = url.protocol === 'https:' || (url.protocol === 'http:' && from.protocol === 'http:');
  if (!safe) throw invalidAnswer('it is redirected to an unsafe address', shown(from));
  return url;
}

/** An address as messages show it. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

async function discard(body: Dispatcher.ResponseData['body']): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => undefined);
}
