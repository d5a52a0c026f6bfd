/** A compute host over a real message port, with a tiny project to work on. */
import { createORPCClient, isDefinedError, safe } from '@orpc/client';
import { RPCLink } from '@orpc/client/message-port';
import type { ContractRouterClient } from '@orpc/contract';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { afterAll, expect } from 'vitest';
import type { Failure } from '../../../main/api/common.ts';
import type { contract } from '../../../main/api/contract.ts';
import { parseFromHost, type FromHost, type ToHost } from '../../../main/api/host-messages.ts';
import type { Draft } from '../../../main/api/merge.ts';
import type { RunUpdate } from '../../../main/api/runs.ts';
import { runProbeWithNode } from '../../../main/engine/probe-process.ts';
import { serve, type ParentPort, type ReceivedPort } from '../../../main/host/serve.ts';
import type { ErrorCode } from '../../../main/lib/error-codes.ts';
import { formatRecipe } from '../../../main/runs/recipe.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject } from '../../support/tiny-project.ts';
import { briefConfig, briefMethods } from '../../support/tiny-run.ts';

export type Client = ContractRouterClient<typeof contract>;

export interface TestHost {
  readonly client: Client;
  /** What the host has told the shell. */
  readonly told: readonly FromHost[];
  readonly exits: readonly number[];
  send(message: ToHost): void;
  /** Grants a path; the handle is the same for the same path. */
  handle(path: string): string;
  /** Another window's connection, and how to close it. */
  connect(): { client: Client; close: () => void };
}

const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
});

/** Starts the host as the shell would, but in this process. */
export function startHost(): TestHost {
  const told: FromHost[] = [];
  const exits: number[] = [];
  let receive: Parameters<ParentPort['on']>[1] = () => undefined;
  const parent: ParentPort = {
    on: (_, listener) => (receive = listener),
    postMessage: (data) => {
      const message = parseFromHost(structuredClone(data));
      told.push(message);
      if (message.type !== 'probe') return;
      void runProbeWithNode(message).then((end) => send({ type: 'probed', id: message.id, end }));
    },
  };
  serve(parent, (code) => exits.push(code));
  const send = (data: ToHost, ports: ReceivedPort[] = []) => receive({ data, ports });
  const connect = () => {
    const { port1, port2 } = new MessageChannel();
    send({ type: 'connect' }, [port1]);
    port2.start();
    const close = () => port2.close();
    closing.push(close);
    const client: Client = createORPCClient(new RPCLink({ port: port2 }));
    return { client, close };
  };
  return {
    client: connect().client,
    told,
    exits,
    send: (message) => send(message),
    handle: (path) => {
      const handle = createHash('sha256').update(path).digest('hex').slice(0, 32);
      send({ type: 'grant', handle, path });
      return handle;
    },
    connect,
  };
}

/** A folder with a recipe.yaml and everything that it names. */
export async function tinyFolder(methods: readonly object[] = briefMethods): Promise<string> {
  const folder = await temporaryFolder();
  const { recipe } = await createTinyProject(folder, methods, briefConfig);
  const engine = { id: 'onnx', threads: 1 } as const;
  await writeFile(join(folder, 'recipe.yaml'), formatRecipe({ ...recipe, engine }));
  return folder;
}

/** A host with the tiny project open. */
export async function hostWithProject(
  methods?: readonly object[],
): Promise<TestHost & { folder: string }> {
  const folder = await tinyFolder(methods);
  const host = startHost();
  await host.client.project.open({ handle: host.handle(folder) });
  return { ...host, folder };
}

/** Expects a call to fail with this code as a typed error; returns what the window is shown. */
export async function expectFailed(call: Promise<unknown>, code: ErrorCode): Promise<Failure> {
  const { error } = await safe(call);
  if (!isDefinedError(error as Error)) throw new Error(`expected ${code}, got ${String(error)}`);
  const { data } = error as unknown as { data: Failure };
  expect(data.code, data.what).toBe(code);
  expect(data.hint).not.toBe('');
  return data;
}

export function expectRefused(call: Promise<unknown>): Promise<void> {
  return expect(call).rejects.toMatchObject({ code: 'BAD_REQUEST' });
}

/** The project's first draft with one thread, changed. */
export async function draftWith(client: Client, change: Partial<Draft> = {}): Promise<Draft> {
  return { ...(await client.merge.draft({ run: null })), ...change };
}

/** Watches a run to its end; `onUpdate` may act on the way. */
export async function watch(
  client: Client,
  run: string,
  onUpdate: (update: RunUpdate) => unknown = () => undefined,
): Promise<RunUpdate[]> {
  const updates: RunUpdate[] = [];
  for await (const update of await client.runs.watch({ run })) {
    updates.push(update);
    await onUpdate(update);
  }
  return updates;
}
