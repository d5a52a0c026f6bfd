/**
 * What the shell and the compute host tell each other over the host's parent port, beside the contract: which
 * paths stand behind handles, which project was open, and when to stop. A port for the contract itself
 * travels with `connect`.
 */
import { z } from 'zod';
import { count, handle } from './common.ts';

const path = z.string().min(1).max(32_768);

const output = z.string().max(1_000_000);
const probeEnd = z.strictObject({
  code: z.int().nullable(),
  signal: z.string().nullable(),
  timedOut: z.boolean(),
  stdout: output,
  stderr: output,
});

const toHost = z.discriminatedUnion('type', [
  /** A window connects; its port is the message's only port. The host serves contract.ts on it. */
  z.strictObject({ type: z.literal('connect') }),
  /** From now on the handle stands for this path. Sent before anybody can name the handle. */
  z.strictObject({ type: z.literal('grant'), handle, path }),
  /** The project that was open when the previous host ended: to be opened again, without any message to the user. */
  z.strictObject({ type: z.literal('project'), path }),
  /** Asks for a `delay` in return. */
  z.strictObject({ type: z.literal('measure') }),
  /** How a `probe` ended. */
  z.strictObject({ type: z.literal('probed'), id: z.uuid(), end: probeEnd }),
  /** Stop what runs so that it can be resumed, then exit with 0. Killed after a grace time. */
  z.strictObject({ type: z.literal('quit') }),
]);
export type ToHost = z.output<typeof toHost>;

const fromHost = z.discriminatedUnion('type', [
  /** Modules are loaded; `connect` is answered from here on. Messages sent earlier are not lost. */
  z.strictObject({ type: z.literal('ready') }),
  /** A place the window may ask the shell to show in the file manager (`shell.reveal`). */
  z.strictObject({ type: z.literal('place'), handle, path }),
  /** A project is open now: it goes into the recents and the window's title. */
  z.strictObject({ type: z.literal('opened'), path, title: z.string() }),
  /** Delay of the host's event loop since the last `measure`, in milliseconds. */
  z.strictObject({ type: z.literal('delay'), p99: z.number().min(0), samples: count }),
  /** Asks for one of the programs that try a native library, in a process of its own; `probed` answers. */
  z.strictObject({
    type: z.literal('probe'),
    id: z.uuid(),
    program: z.enum(['probe', 'tensorflow']),
    args: z.array(z.string().max(100_000)).max(4),
    limitMs: z.int().min(1).max(600_000),
  }),
  /** The host is about to exit because of a bug; says why. */
  z.strictObject({ type: z.literal('fatal'), what: z.string() }),
]);
export type FromHost = z.output<typeof fromHost>;

/** Checks a message that arrived at the host; throws a ZodError. */
export function parseToHost(message: unknown): ToHost {
  return toHost.parse(message);
}

/** Checks a message that arrived at the shell; throws a ZodError. */
export function parseFromHost(message: unknown): FromHost {
  return fromHost.parse(message);
}
