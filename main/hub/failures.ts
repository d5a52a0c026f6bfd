/** What goes wrong between this machine and the Hub, in words. Addresses appear without their query: it may hold a signature. */
import { errnoOf } from '../lib/durable-file.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import { AppError } from '../lib/errors.ts';
import type { HubSettings } from './settings.ts';

/** A file or a description of a model. */
export interface ModelSubject {
  /** The model as it was named. */
  readonly model: string;
  readonly revision: string;
  readonly file?: string;
}

/** What was asked for; what is no model words its refusals itself. */
export type Subject = ModelSubject | { readonly refused: (status: number) => AppError };

/** Answers after which asking again may help. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

export function mayPass(status: number): boolean {
  return passing.has(status);
}

/**
 * The error of an answer that is no success. `reason` is the Hub's own word for it (`X-Error-Code`): it
 * answers 401 for a model that does not exist too, so that nobody learns the names of private ones.
 */
export function statusError(
  status: number,
  reason: string | undefined,
  { model, revision, file }: ModelSubject,
  settings: HubSettings,
): AppError {
  const host = settings.endpoint.host;
  const withToken = settings.token !== undefined;
  const named = file === undefined ? `"${model}"` : `"${file}" of "${model}"`;
  const error = (code: ErrorCode, what: string, hint: string) =>
    new AppError(code, { what: `${what} (${status})`, where: host, hint });
  if (reason === 'GatedRepo') {
    const code = status === 401 ? 'hub.unauthorized' : 'hub.forbidden';
    return error(
      code,
      `the owners of "${model}" give it only to those who agreed to their terms`,
      withToken
        ? `agree to them at ${page(settings, model)} with the account of this token`
        : `agree to them at ${page(settings, model)}, and give the token of that account`,
    );
  }
  if (reason === 'RevisionNotFound') {
    return error(
      'hub.no_revision',
      `"${model}" has no revision "${revision}", or no longer`,
      'name a branch, tag or commit that its page shows, or leave the revision out',
    );
  }
  if (reason === 'RepoNotFound' || (status === 404 && file === undefined)) {
    return error(
      'hub.not_found',
      `there is no model "${model}", or it is private`,
      withToken
        ? 'check the spelling, and that the owner of the token may read it'
        : 'check the spelling; a private model needs a token',
    );
  }
  if (status === 404 || status === 410) {
    return error('hub.not_found', `${named} is not there`, 'ask for the sizes again');
  }
  if (status === 401) {
    return error(
      'hub.unauthorized',
      withToken ? 'the token is not accepted' : `${named} needs a token`,
      withToken ? 'make a new one in the settings of your account' : 'give one that may read it',
    );
  }
  if (status === 403) {
    return error(
      'hub.forbidden',
      `${named} is not given to ${withToken ? 'the owner of the token' : 'strangers'}`,
      `ask its owners for access at ${page(settings, model)}`,
    );
  }
  if (mayPass(status)) {
    return error(
      'hub.server_failed',
      status === 429 ? 'there were too many requests' : `${named} could not be given`,
      'try again later; what was downloaded is kept',
    );
  }
  return error(
    'hub.answer_invalid',
    `the answer for ${named} is none that the Hub gives`,
    'check the address of the Hub',
  );
}

function page({ endpoint }: HubSettings, model: string): string {
  return `${endpoint.href.replace(/\/$/, '')}/${model}`;
}

const certificateCodes = /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|ERR_TLS|ERR_SSL/;

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known here, as without a network',
  EAI_AGAIN: 'its name cannot be looked up, as without a network',
  ECONNREFUSED: 'it refuses the connection',
  ENETUNREACH: 'there is no way to it, as without a network',
  EHOSTUNREACH: 'there is no way to it',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it does not answer',
  UND_ERR_BODY_TIMEOUT: 'it fell silent',
  UND_ERR_SOCKET: 'the connection was cut',
};

/** The code of a failed connection, also where several addresses of a host were tried. */
function connectionCode(error: unknown): string {
  const own = errnoOf(error);
  if (own !== '' || !(error instanceof Error)) return own;
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error.cause];
  return first === undefined || first === error ? '' : connectionCode(first);
}

/** The error of a host that could not be reached. */
export function unreachable(error: unknown, { host }: URL, settings: HubSettings): AppError {
  const code = connectionCode(error);
  const proxied = settings.proxies.http !== '' || settings.proxies.https !== '';
  const untrusted = certificateCodes.test(code);
  const reason = untrusted ? 'its certificate is not trusted' : (reasons[code] ?? 'it failed');
  const shown = code === '' ? '' : ` (${code})`;
  return new AppError('hub.unreachable', {
    what: `${host} cannot be reached${proxied ? ' through the proxy' : ''}: ${reason}${shown}`,
    hint: untrusted
      ? 'if your network inspects connections, name its certificate in NODE_EXTRA_CA_CERTS'
      : proxied
        ? 'check the network, and the proxy of HTTPS_PROXY, HTTP_PROXY and NO_PROXY'
        : 'check the network; behind a proxy, set HTTPS_PROXY. What was downloaded is kept',
    cause: error,
  });
}

/** The error of an answer that makes no sense. */
export function invalidAnswer(what: string, where: string, cause?: unknown): AppError {
  return new AppError('hub.answer_invalid', {
    what,
    where,
    hint: 'try again; if it happens again, check the address that was asked',
    cause,
  });
}
