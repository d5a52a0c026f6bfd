/** The runs of the open project: history, control, progress. */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, count, failure, name, parameterValue, share } from './common.ts';
import { collapseSchema, reportSchema } from './report.ts';

const status = z.enum([
  'created',
  'running',
  'paused',
  'cancelled',
  'interrupted',
  'done',
  'failed',
]);
export type RunState = z.output<typeof status>;

const run = z.strictObject({
  id: name,
  title: z.string(),
  status,
  /** Why it failed or where it stopped. */
  message: z.string().nullable(),
  /** ISO 8601. */
  createdAt: z.string(),
  changedAt: z.string(),
  starred: z.boolean(),
  note: z.string(),
  tasks: z.array(name),
  methods: z.array(z.strictObject({ id: name, title: z.string(), finished: z.boolean() })),
  /** The best merge of a finished run. */
  best: z
    .strictObject({ method: name, average: share, normalizedAverage: z.number().nullable() })
    .nullable(),
  bytes: count,
});
export type RunCard = z.output<typeof run>;

const progress = z.strictObject({
  /** Its id; null while inputs are loaded. */
  method: name.nullable(),
  phase: z.enum(['loading', 'merging', 'preparing', 'adapting', 'evaluating', 'exporting']),
  /** What is being done, in words: "expert mnist", "step", … */
  detail: z.string(),
  done: count,
  total: count,
  /** Per second, in units of `done`; null before it can be told. */
  rate: z.number().nullable(),
  /** Of this phase, and of the whole run. */
  secondsLeft: z.number().nullable(),
  runSecondsLeft: z.number().nullable(),
  methodsDone: count,
  methodsTotal: count,
});
export type RunProgress = z.output<typeof progress>;

/** One method's curves; arrays of the same length, by step. */
const curves = z.strictObject({
  method: name,
  title: z.string(),
  steps: z.array(count),
  loss: z.array(z.number()),
  /** Mean entropy of the predictions by task, in nats. */
  entropy: z.record(z.string(), z.array(z.number())),
  /** How evenly each task's classes are given, 0 to 1; empty in runs of earlier versions. */
  usage: z.record(z.string(), z.array(z.number())),
  /** Mean |λ − λ₀| of each layer at some steps [snapshot][layer]; empty without routers. */
  driftSteps: z.array(count),
  drift: z.array(z.array(z.number())),
  /** Accuracy on the monitored sample at some steps; empty where labels were not allowed. */
  accuracySteps: z.array(count),
  accuracy: z.record(z.string(), z.array(share)),
  /** The step whose parameters were kept when the adaptation was ended early. */
  keptStep: count.nullable(),
  /** Collapses that the guard noticed so far; those of new points are all of them. */
  collapses: z.array(collapseSchema),
});
export type Curves = z.output<typeof curves>;

/** `watch` yields the state first, then changes; at most 15 a second. */
const update = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('state'), run, progress: progress.nullable() }),
  z.strictObject({ type: z.literal('progress'), progress }),
  /** Replaces all curves of the method. */
  z.strictObject({ type: z.literal('curves'), curves }),
  /** New points of a method's curves, to be appended. */
  z.strictObject({ type: z.literal('points'), points: curves }),
  z.strictObject({
    type: z.literal('evaluation'),
    method: name,
    task: name,
    accuracy: share,
  }),
  z.strictObject({ type: z.literal('failed'), failure }),
]);
export type RunUpdate = z.output<typeof update>;

const difference = z.strictObject({
  /** Place in the recipe: "methods.wemoe_1.learning_rate". */
  place: z.string(),
  a: parameterValue.nullable(),
  b: parameterValue.nullable(),
});
export type RecipeDifference = z.output<typeof difference>;

const one = z.strictObject({ run: name });

export const runsContract = {
  list: call.output(z.array(run)),
  get: call.input(one).output(run),
  watch: call.input(one).output(eventIterator(update)),
  /** Loss, entropy and drift of every method that adapted, at most about 1,000 points each. */
  curves: call.input(one).output(z.array(curves)),
  /** Throws run.unfinished. */
  report: call.input(one).output(reportSchema),
  recipe: call.input(one).output(z.strictObject({ text: z.string() })),
  diff: call.input(z.strictObject({ a: name, b: name })).output(z.array(difference)),
  /** Holds the adaptation after the step in progress; `unpause` goes on. */
  pause: call.input(one).output(run),
  unpause: call.input(one).output(run),
  /** Ends the adaptation in progress now, with the parameters of its best step by smoothed entropy. */
  keepBest: call.input(one).output(run),
  /** Stops; what is done is kept, and `resume` goes on from there. */
  cancel: call.input(one).output(run),
  resume: call.input(one).output(run),
  annotate: call
    .input(
      z.strictObject({
        run: name,
        note: z.string().max(10_000).optional(),
        starred: z.boolean().optional(),
      }),
    )
    .output(run),
  /** Moves the run to the project's trash, from where `restore` brings it back. */
  remove: call.input(one).output(z.void()),
  restore: call.input(one).output(run),
};
