/**
 * The event log of a run, `events.jsonl`: what happened, in order, one JSON object a line. No line
 * carries a time, so a resumed run and an uninterrupted one end with the same bytes; times go to
 * `timings.jsonl`.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { collapseSchema } from '../api/report.ts';
import { appendLine, readJsonLines, writeFileDurably } from '../lib/durable.ts';
import { AppError } from '../lib/errors.ts';

const index = z.int().min(0);
const byTask = z.record(z.string(), z.number());

export const runEventSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('run.started'),
    schema: z.literal(1),
    /** SHA-256 of the canonical recipe. */
    recipe: z.string(),
    /** Title, device and threads: what the bytes of the results depend on. */
    engine: z.string(),
    /** SHA-256 over all checkpoints, heads and images. */
    inputs: z.string(),
    tasks: z.array(z.string()),
    methods: z.array(z.string()),
  }),
  z.strictObject({
    type: z.literal('method.started'),
    method: z.string(),
    /** Adaptation steps to come; 0 for a method without adaptation. */
    steps: index,
  }),
  z.strictObject({
    type: z.literal('adaptation.step'),
    method: z.string(),
    /** Steps finished, so the first step is 1. */
    step: index,
    loss: z.number(),
    /** Mean entropy of the predictions, by task. */
    entropy: byTask,
    /** How evenly the classes of each task are given, smoothed: 1 all equally often, 0 only one. */
    usage: byTask.optional(),
    learningRate: z.number(),
  }),
  z.strictObject({
    type: z.literal('adaptation.routing'),
    method: z.string(),
    /** Updates that the routers have had: 0 is before adaptation. */
    step: index,
    /** Mean routing weight on the images of the next step [layer][source task][expert]. */
    lambda: z.array(z.array(z.array(z.number()))),
  }),
  z.strictObject({
    type: z.literal('adaptation.accuracy'),
    method: z.string(),
    /** Steps finished. */
    step: index,
    /** On the sample that the recipe's monitor allows, by task. */
    accuracy: byTask,
  }),
  z.strictObject({
    type: z.literal('adaptation.stopped'),
    method: z.string(),
    /** A person, or the guard, ended the adaptation after this step; the parameters are those of `keptStep`. */
    step: index,
    keptStep: index,
    by: z.literal('guard').optional(),
  }),
  z.strictObject({
    type: z.literal('adaptation.smaller_calls'),
    method: z.string(),
    /** The engine ran out of memory in this step: from then on `to` tasks share a call instead of `from`. */
    step: index,
    from: index,
    to: index,
  }),
  z.strictObject({
    type: z.literal('evaluation.smaller_batch'),
    method: z.string(),
    /** The engine ran out of memory: from then on `to` images share a call instead of `from`. */
    from: index,
    to: index,
  }),
  z.strictObject({
    type: z.literal('adaptation.collapsed'),
    method: z.string(),
    ...collapseSchema.shape,
  }),
  z.strictObject({
    type: z.literal('evaluation'),
    method: z.string(),
    task: z.string(),
    accuracy: z.number().min(0).max(1),
    correct: index,
    images: index,
  }),
  z.strictObject({ type: z.literal('method.finished'), method: z.string() }),
  z.strictObject({
    type: z.literal('exported'),
    method: z.string(),
    format: z.string(),
    mode: z.string(),
    /** Relative to the run folder. */
    path: z.string(),
    bytes: index,
  }),
  z.strictObject({ type: z.literal('run.finished') }),
]);
export type RunEvent = z.output<typeof runEventSchema>;

/** When things happened; never compared between runs. */
export const timingSchema = z.strictObject({
  type: z.enum(['run.started', 'run.resumed', 'method.finished', 'run.finished']),
  /** ISO 8601. */
  at: z.string(),
  method: z.string().optional(),
  step: index.optional(),
  seconds: z.number().min(0).optional(),
});
export type Timing = z.output<typeof timingSchema>;

/** One line of the log, without its newline; key order is that of the schema. */
export function formatEvent(event: RunEvent): string {
  return JSON.stringify(runEventSchema.parse(event));
}

/** All events of a log. A torn last line, as a kill leaves it, is left out; no file is an empty log. */
export async function readEvents(file: string): Promise<readonly RunEvent[]> {
  if (!existsSync(file)) return [];
  return (await readJsonLines(file)).map((value, line) => {
    const result = runEventSchema.safeParse(value);
    if (result.success) return result.data;
    throw new AppError('run.invalid', {
      what: `line ${line + 1} is not an event of a run`,
      where: file,
      hint: 'open the run with the version that wrote it, or run the recipe again',
      cause: result.error,
    });
  });
}

/** Appends to an event log; every event is on disk when `append` returns. */
export class EventLog {
  readonly file: string;
  #count: number;

  private constructor(file: string, count: number) {
    this.file = file;
    this.#count = count;
  }

  /**
   * Opens the log at `file` to go on after its first `keep` events: 0 for a new run, on resume the
   * `count` that was saved with the state. Events after those are dropped, as the steps they tell of
   * are done again.
   */
  static async open(file: string, keep: number): Promise<EventLog> {
    const events = await readEvents(file);
    if (events.length < keep) {
      throw new AppError('run.invalid', {
        what: `the log holds ${events.length} events, but the saved state was written after ${keep}`,
        where: file,
        hint: 'run the recipe again; the log of this run has lost lines',
      });
    }
    // Written anew even when nothing is dropped, as a torn line may follow.
    const kept = events.slice(0, keep).map((event) => `${formatEvent(event)}\n`);
    await writeFileDurably(file, kept.join(''));
    return new EventLog(file, keep);
  }

  /** Events in the log: what a saved state must remember to resume. */
  get count(): number {
    return this.#count;
  }

  async append(event: RunEvent): Promise<void> {
    await appendLine(this.file, formatEvent(event));
    this.#count += 1;
  }
}

/** Appends to `timings.jsonl`; `at` is now. */
export async function appendTiming(file: string, timing: Omit<Timing, 'at'>): Promise<void> {
  const { type, ...rest } = timing;
  const line = timingSchema.parse({ type, at: new Date().toISOString(), ...rest });
  await appendLine(file, JSON.stringify(line));
}
