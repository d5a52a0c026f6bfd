import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  appendTiming,
  EventLog,
  formatEvent,
  readEvents,
  type RunEvent,
} from '../../../main/runs/events.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'events-'));
  file = join(folder, 'events.jsonl');
});
afterEach(() => rm(folder, { recursive: true }));

const step = (number: number, method = 'wemoe_2'): RunEvent => ({
  type: 'adaptation.step',
  method,
  step: number,
  loss: 1 / number,
  entropy: { mnist: 0.5, svhn: 0.25 },
  learningRate: 1e-4,
});
const routing = (number: number): RunEvent => ({
  type: 'adaptation.routing',
  method: 'wemoe_2',
  step: number,
  lambda: [[[0.3, -0.1]]],
});
const events: readonly RunEvent[] = [
  { type: 'run.started', schema: 1, recipe: 'r', engine: 'onnx', inputs: 'i', tasks: ['a'], methods: ['ties'] },
  { type: 'method.started', method: 'ties', steps: 0 },
  { type: 'evaluation', method: 'ties', task: 'a', accuracy: 0.5, correct: 1, images: 2 },
  { type: 'method.finished', method: 'ties' },
  { type: 'method.started', method: 'wemoe_2', steps: 2 },
  routing(0),
  step(1),
  step(2),
  routing(2),
  { type: 'method.finished', method: 'wemoe_2' },
  { type: 'exported', method: 'wemoe_2', format: 'onnx', mode: 'dynamic', path: 'exported', bytes: 9 },
  { type: 'run.finished' },
];

async function write(list: readonly RunEvent[]): Promise<void> {
  const log = await EventLog.open(file, 0);
  for (const event of list) await log.append(event);
  expect(log.count).toBe(list.length);
}

describe('EventLog', () => {
  it('reads back what was appended', async () => {
    expect(await readEvents(file)).toEqual([]);
    await write(events);
    expect(await readEvents(file)).toEqual(events);
  });

  it('writes one line an event, keys in schema order, without a time', async () => {
    const { type, ...rest } = step(2);
    expect(formatEvent({ ...rest, type } as RunEvent)).toBe(
      '{"type":"adaptation.step","method":"wemoe_2","step":2,"loss":0.5,"entropy":{"mnist":0.5,"svhn":0.25},"learningRate":0.0001}',
    );
    expect(() => formatEvent({ ...step(1), loss: Number.NaN } as RunEvent)).toThrow();
    expect(() => formatEvent({ ...step(1), at: 'now' } as unknown as RunEvent)).toThrow();
  });

  it('ends with the same bytes when resumed from any saved count and any torn end', async () => {
    await write(events);
    const whole = await readFile(file);
    for (const saved of [0, 6, 7, 9, events.length - 1, events.length]) {
      for (const lost of [0, 7]) {
        // Killed while writing, some events after the state was saved.
        const text = whole.toString().split('\n').slice(0, saved + 2).join('\n');
        await writeFile(file, saved + 2 > events.length ? whole : text.slice(0, text.length - lost));
        const log = await EventLog.open(file, saved);
        expect(log.count).toBe(saved);
        for (const event of events.slice(saved)) await log.append(event);
        expect(await readFile(file)).toEqual(whole);
      }
    }
  });

  it('leaves out a torn last line and refuses damage elsewhere', async () => {
    await write(events.slice(0, 4));
    const whole = await readFile(file);
    await truncate(file, whole.length - 9);
    expect(await readEvents(file)).toEqual(events.slice(0, 3));
    await appendFile(file, '\n{"type":"run.finished"}\n');
    await expect(readEvents(file)).rejects.toMatchObject({ code: 'file.line_invalid' });
  });

  it('refuses a line that is no event, and a log shorter than the saved state', async () => {
    await writeFile(file, '{"type":"run.finished"}\n{"type":"tea"}\n');
    await expect(readEvents(file)).rejects.toMatchObject({
      code: 'run.invalid',
      what: 'line 2 is not an event of a run',
      where: file,
    });
    await writeFile(file, '{"type":"run.finished"}\n');
    await expect(EventLog.open(file, 2)).rejects.toMatchObject({
      code: 'run.invalid',
      what: 'the log holds 1 events, but the saved state was written after 2',
    });
  });
});

it('notes times beside the log', async () => {
  const timings = join(folder, 'timings.jsonl');
  await appendTiming(timings, { type: 'run.resumed', method: 'wemoe_2', step: 3 });
  const line = JSON.parse(await readFile(timings, 'utf8')) as Record<string, unknown>;
  expect(line).toMatchObject({ type: 'run.resumed', method: 'wemoe_2', step: 3 });
  expect(line['at']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
});
