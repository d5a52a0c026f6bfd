/**
 * Models of the Hugging Face Hub. Nothing is asked of the network but by `size` and `get`, which the window calls when
 * a person presses a button.
 */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, count, name } from './common.ts';
import { overview } from './project.ts';

/** `owner/name`, with a revision behind "@" or not. */
const modelName = z.string().trim().min(1).max(400);
const models = z.array(modelName).min(1).max(64);

const state = z.strictObject({
  /** `ask`: when a person asks for it. */
  network: z.enum(['ask', 'offline']),
  /** What of the environment forbids the network, whatever is chosen; null where nothing does. */
  forbidden: z.string().nullable(),
  /** The address in use, and the one that was chosen, if any. */
  endpoint: z.string(),
  chosenEndpoint: z.string().nullable(),
  cache: z.string(),
  /** Which tokens could be used: of HF_TOKEN, or saved by `hf auth login`. */
  tokensFound: z.strictObject({ env: z.boolean(), saved: z.boolean() }),
  /** Which is used; one that was typed lives as long as the compute process and is never sent back. */
  token: z.enum(['none', 'typed', 'env', 'saved']),
});
export type HubState = z.output<typeof state>;

const preset = z.strictObject({
  id: name,
  title: z.string(),
  base: modelName,
  experts: z.array(z.strictObject({ task: z.string(), title: z.string(), model: modelName })),
  /** Told from the number of parameters, without asking. */
  approximateBytes: count,
  /** How many of its models are on this machine. */
  here: count,
});
export type HubPreset = z.output<typeof preset>;

const modelSize = z.strictObject({
  name: modelName,
  /** What the name stood for when it was asked for. */
  commit: z.string(),
  /** Null for a model that is here and was not asked for. */
  totalBytes: count.nullable(),
  missingBytes: count,
  /** Of the missing ones: left by a download that was broken off. */
  begunBytes: count,
});

const size = z.strictObject({
  models: z.array(modelSize),
  missingBytes: count,
  begunBytes: count,
  freeDiskBytes: count.nullable(),
});
export type HubSize = z.output<typeof size>;

const progress = z.strictObject({
  type: z.literal('progress'),
  done: count,
  total: count,
  bytesPerSecond: z.number().min(0),
  secondsLeft: z.number().min(0).nullable(),
  /** Files in transfer. */
  current: z.array(z.string()),
});
export type HubProgress = z.output<typeof progress>;

const finished = z.strictObject({
  type: z.literal('finished'),
  /** `pinned`: the name with the commit it stands for. */
  models: z.array(z.strictObject({ name: modelName, pinned: modelName, location: z.string() })),
});
export type HubFinished = z.output<typeof finished>;

export const hubContract = {
  state: call.output(state),
  configure: call
    .input(
      z.strictObject({
        network: state.shape.network.optional(),
        /** Null: that of the environment, or the public Hub. */
        endpoint: z.string().trim().max(2000).nullable().optional(),
        token: z
          .union([
            z.strictObject({ source: z.enum(['none', 'env', 'saved']) }),
            z.strictObject({ source: z.literal('typed'), value: z.string().trim().max(512) }),
          ])
          .optional(),
      }),
    )
    .output(state),
  presets: call.output(z.array(preset)),
  /** Models that the open project names and that are not on this machine. */
  missing: call.output(z.array(modelName)),
  /** Asks the Hub, but for models that are here and named by their commit. */
  size: call.input(z.strictObject({ models })).output(size),
  /** Ending the iteration cancels; what is there is kept, and the next call goes on with it. */
  get: call
    .input(z.strictObject({ models }))
    .output(eventIterator(z.discriminatedUnion('type', [progress, finished]))),
  /** Takes models that are here into the project: a base, and one task for each expert. */
  add: call
    .input(
      z.strictObject({
        base: modelName.nullable(),
        experts: z
          .array(
            z.strictObject({
              model: modelName,
              title: z.string().trim().min(1).max(100),
              /** Names the task, and its class names where the program has them. */
              task: name,
            }),
          )
          .max(64),
      }),
    )
    .output(overview),
};
