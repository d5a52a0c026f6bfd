import { expect, it } from 'vitest';
import { parseFromHost, parseToHost, type FromHost } from '../../../main/api/host-messages.ts';
import { shellProbes } from '../../../main/host/shell-probes.ts';

const end = { code: 0, signal: null, timedOut: false, stdout: 'product', stderr: '' };

it('asks the shell for each probe, and gives every answer to whoever asked', async () => {
  const asked: Extract<FromHost, { type: 'probe' }>[] = [];
  const probes = shellProbes((message) => {
    const parsed = parseFromHost(message);
    if (parsed.type === 'probe') asked.push(parsed);
  });
  const answer = (index: number, stdout: string): void => {
    const id = asked[index]?.id ?? '';
    const message = parseToHost({ type: 'probed', id, end: { ...end, stdout } });
    if (message.type === 'probed') probes.answered(message);
  };
  const card = probes.run({ program: 'probe', args: ['webgpu'], limitMs: 1000 });
  const library = probes.run({ program: 'tensorflow', args: ['{}'], limitMs: 2000 });
  expect(asked).toMatchObject([
    { program: 'probe', args: ['webgpu'], limitMs: 1000 },
    { program: 'tensorflow', args: ['{}'], limitMs: 2000 },
  ]);
  answer(1, 'second');
  answer(0, 'first');
  expect(await card).toMatchObject({ stdout: 'first' });
  expect(await library).toMatchObject({ stdout: 'second' });
});

it('takes no notice of an answer to the process before it', () => {
  const probes = shellProbes(() => undefined);
  expect(() => {
    probes.answered({ type: 'probed', id: crypto.randomUUID(), end });
  }).not.toThrow();
});
