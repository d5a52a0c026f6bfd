import { getContractRouter, isContractProcedure } from '@orpc/contract';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { contract } from '../../../main/api/contract.ts';
import { router } from '../../../main/host/router.ts';
import { AppError } from '../../../main/lib/errors.ts';
import { callError } from '../../../main/host/failures.ts';
import { streamOf } from '../../../main/host/stream.ts';
import { expectRefused, hostWithProject, type Client } from './support.ts';

const calls = Object.entries(contract).flatMap(([part, procedures]) =>
  Object.keys(procedures).map((call) => [part, call] as const),
);

let client: Client;
beforeAll(async () => {
  ({ client } = await hostWithProject([{ id: 'pretrained' }]));
});

type AnyCall = (input: unknown) => Promise<unknown>;
const called = (part: string, call: string): AnyCall =>
  (client as unknown as Record<string, Record<string, AnyCall>>)[part]![call]!;

describe('the contract', () => {
  it.each(calls)('%s.%s has a handler', (part, call) => {
    expect(isContractProcedure(getContractRouter(contract, [part, call]))).toBe(true);
    expect(Object.keys(router[part as keyof typeof router])).toContain(call);
  });

  it('refuses unknown fields, missing ones, and paths in place of handles', async () => {
    await expectRefused(called('project', 'open')({ handle: '0'.repeat(32), path: '/etc' }));
    await expectRefused(called('project', 'open')({ handle: '/etc/passwd' }));
    await expectRefused(called('project', 'open')({}));
    await expectRefused(called('runs', 'get')({ run: '../../etc' }));
    await expectRefused(called('project', 'tiles')({ task: 'digits', images: [-1] }));
    await expectRefused(called('project', 'tiles')({ task: 'digits', images: Array(513).fill(0) }));
    await expect(called('project', 'nothing')({})).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('answers any input with a result, a refusal or a typed error, and goes on', async () => {
    const name = fc.constantFrom('digits', 'tiny-0001', 'pretrained', '..', '.trash', '');
    const field = fc.oneof(
      name,
      fc.nat(20),
      fc.stringMatching(/^[0-9a-f]{32}$/),
      fc.anything({ maxDepth: 2 }),
    );
    const keys =
      'handle handles task run method methods images image layer expert order offset limit a b'.split(
        ' ',
      );
    const input = fc.oneof(fc.anything(), fc.dictionary(fc.constantFrom(...keys), field));
    const streams = new Set(['taskVectors', 'watch', 'start']);
    const plain = calls.filter(([, call]) => !streams.has(call));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...plain), input, async ([part, call], value) => {
        try {
          await called(part, call)(value);
        } catch (error) {
          const { code } = error as { code?: string };
          // What cannot be cloned or serialised never leaves the window.
          if (error instanceof TypeError || (error as Error).name === 'DataCloneError') return;
          expect(['FAILED', 'BAD_REQUEST']).toContain(code);
        }
      }),
      { numRuns: 300, seed: 7 },
    );
    expect(await client.project.overview()).not.toBeNull();
  });
});

describe('errors', () => {
  it('cross with their code, and bugs without details', () => {
    const lines: string[] = [];
    const known = new AppError('run.busy', { what: 'w', where: 'here', hint: 'h' });
    const error = callError(known, (line) => lines.push(line)) as Error & { data: unknown };
    expect(error.data).toEqual({ code: 'run.busy', what: 'w', where: 'here', hint: 'h' });
    expect(lines).toEqual([]);
    const bug = callError(new Error('secret path'), (line) => lines.push(line));
    expect(JSON.stringify(bug) + bug.message).not.toContain('secret');
    expect(lines[0]).toContain('secret path');
  });
});

describe('streamOf', () => {
  const same = (error: unknown) => error as Error;

  it('hands out items in order, then the end or the error', async () => {
    const items: number[] = [];
    const stream = streamOf<number>(undefined, same, async (push) => {
      for (let i = 0; i < 3; i++) push(i);
      await Promise.reject(new Error('over'));
    });
    await expect(
      (async () => {
        for await (const item of stream) items.push(item);
      })(),
    ).rejects.toThrow('over');
    expect(items).toEqual([0, 1, 2]);
  });

  it('stops the work when the listener leaves while nothing comes', async () => {
    let stopped = false;
    const stream = streamOf<number>(undefined, same, async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      stopped = true;
    });
    const next = stream.next();
    await stream.return();
    await expect.poll(() => stopped).toBe(true);
    expect((await next).done).toBe(true);
  });

  it('stops at the signal of the call, also when it came first', async () => {
    const controller = new AbortController();
    controller.abort();
    let aborted: boolean | undefined;
    const stream = streamOf<number>(controller.signal, same, async (_, signal) => {
      aborted = signal.aborted;
      await Promise.resolve();
    });
    expect((await stream.next()).done).toBe(true);
    expect(aborted).toBe(true);
  });
});
