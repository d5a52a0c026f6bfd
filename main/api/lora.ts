/** LoRA adapters: several become one, or one is made of a difference. */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, count, handle, name } from './common.ts';
import { parameter } from './merge.ts';

const way = z.strictObject({
  id: name,
  /** The heading it stands under. */
  family: z.string(),
  title: z.string(),
  summary: z.string(),
  formula: z.string(),
  paper: z.strictObject({ title: z.string(), url: z.url() }),
  parameters: z.record(z.string(), parameter),
});
/** One way to combine adapters, or to extract one. */
export type LoraWay = z.output<typeof way>;

const ways = z.strictObject({
  combine: z.array(way),
  extract: z.array(way),
  /** Of each adapter that is combined. */
  weight: parameter,
});
export type LoraWays = z.output<typeof ways>;

/** A parameter that has none takes its default. */
const settings = z.record(
  z.string().max(100),
  z.union([z.number(), z.string().max(1000), z.boolean()]),
);
export type LoraSettings = z.output<typeof settings>;

const combination = z.strictObject({
  action: z.literal('combine'),
  way: name,
  adapters: z
    .array(z.strictObject({ handle, weight: z.number() }))
    .min(1)
    .max(1000),
  settings,
  /** Where the result goes. */
  output: handle.nullable(),
});
const extraction = z.strictObject({
  action: z.literal('extract'),
  way: name,
  tuned: handle,
  base: handle,
  settings,
  output: handle.nullable(),
});
export const loraDraft = z.discriminatedUnion('action', [combination, extraction]);
export type LoraDraft = z.output<typeof loraDraft>;

const plan = z.strictObject({
  findings: z.array(
    z.strictObject({
      severity: z.enum(['error', 'warning', 'info']),
      title: z.string(),
      what: z.string(),
    }),
  ),
  /** Weights of linear layers that are changed, or looked at. */
  weightCount: count,
  /** Of the result, at most; null where the values decide. */
  ranks: z.strictObject({ min: count, max: count }).nullable(),
  outputBytes: count.nullable(),
  freeDiskBytes: count.nullable(),
  /** The folder that would be made. */
  location: z.string().nullable(),
});
export type LoraPlan = z.output<typeof plan>;

const progress = z.strictObject({
  type: z.literal('progress'),
  /** Weights, or tensors. */
  done: count,
  total: count,
});
export type LoraProgress = z.output<typeof progress>;

const finished = z.strictObject({
  type: z.literal('finished'),
  location: z.string(),
  /** For `shell.reveal` and `weights.inspect`. */
  place: handle,
  way: z.string(),
  seconds: z.number().min(0),
  bytes: count,
  weightCount: count,
  ranks: z.strictObject({ min: count, max: count }),
  /** Of an extraction: what the adapter lacks. */
  lacks: z
    .strictObject({
      /** Of the norm of the whole difference. */
      residual: z.number().min(0),
      /** Those that lack most, first. */
      weights: z.array(
        z.strictObject({ name: z.string(), rank: count, residual: z.number().min(0) }),
      ),
      /** Tensors that differ but that no adapter can hold. */
      lost: z.array(z.string()),
    })
    .nullable(),
});
export type LoraFinished = z.output<typeof finished>;

export const loraContract = {
  ways: call.output(ways),
  /** Reads headers alone; fails where the draft cannot be carried out. */
  plan: call.input(loraDraft).output(plan),
  /** Ending the iteration cancels, and leaves nothing behind. */
  start: call
    .input(loraDraft)
    .output(eventIterator(z.discriminatedUnion('type', [progress, finished]))),
};
