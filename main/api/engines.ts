/** Engines that a person installs. Nothing is asked of the network but when a button is pressed. */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, count } from './common.ts';

const wanted = z.strictObject({
  /** For CUDA, with NVIDIA's libraries. */
  gpu: z.boolean(),
});

const plan = z.strictObject({
  /** Hosts that the files come from. */
  hosts: z.array(z.string()),
  files: z.array(z.strictObject({ name: z.string(), bytes: count })),
  totalBytes: count,
  /** Of these, what is here already. */
  presentBytes: count,
  compiler: z.string(),
  /** Where it comes to lie. */
  location: z.string(),
});
export type InstallPlan = z.output<typeof plan>;

const progress = z.strictObject({
  type: z.literal('progress'),
  stage: z.enum(['download', 'unpack', 'build']),
  /** In bytes; both 0 while building. */
  done: count,
  total: count,
  file: z.string(),
});
export type InstallProgress = z.output<typeof progress>;

const finished = z.strictObject({ type: z.literal('finished'), version: z.string() });
export type InstallFinished = z.output<typeof finished>;

export const enginesContract = {
  /** What installing native TensorFlow would fetch, and what it needs here; asks the index of packages. */
  planTensorflow: call.input(wanted).output(plan),
  /** Goes on until it is done, or nobody listens any more. */
  installTensorflow: call
    .input(wanted)
    .output(eventIterator(z.discriminatedUnion('type', [progress, finished]))),
};
