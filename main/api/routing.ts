/** Which expert each layer uses, for each task and each image. */
import { z } from 'zod';
import { call, corruptionChoice, count, name, share } from './common.ts';

/** [layer][source task][expert] */
const byLayerTaskExpert = z.array(z.array(z.array(z.number())));

const routing = z.strictObject({
  method: name,
  title: z.string(),
  /** Rows: where the images come from. */
  tasks: z.array(name),
  /** Columns: ids of the experts, which carry their tasks' names. */
  experts: z.array(name),
  layers: count,
  /** Where routing starts; the middle of the colour scale. */
  lambda0: z.number(),
  /** Images by task. */
  images: z.record(z.string(), count),
  /** By task, how the images that the model saw were corrupted, where they were. */
  corruptions: z.record(z.string(), corruptionChoice.extend({ seed: count })),
  mean: byLayerTaskExpert,
  deviation: byLayerTaskExpert,
  /** Share of a task's images whose largest λ is their own task's expert [layer][task]. */
  firstChoice: z.array(z.array(share)),
});
export type Routing = z.output<typeof routing>;

const snapshots = z.strictObject({
  steps: z.array(count),
  /** [snapshot][layer][source task][expert]; the first one is before any step. */
  mean: z.array(byLayerTaskExpert),
});
export type RoutingSnapshots = z.output<typeof snapshots>;

const which = { run: name, method: name };

export const routingContract = {
  /** Methods of a run that have routers; empty when there is none. */
  methods: call
    .input(z.strictObject({ run: name }))
    .output(z.array(z.strictObject({ method: name, title: z.string() }))),
  get: call.input(z.strictObject(which)).output(routing),
  /** How routing formed during adaptation, on the batches of those steps. */
  snapshots: call.input(z.strictObject(which)).output(snapshots),
  /** Images of a source task by their λ for one expert in one layer. */
  images: call
    .input(
      z.strictObject({
        ...which,
        layer: count,
        task: name,
        expert: name,
        order: z.enum(['highest', 'lowest']),
        offset: count,
        limit: z.int().min(1).max(256),
      }),
    )
    .output(
      z.strictObject({
        total: count,
        images: z.array(z.strictObject({ image: count, lambda: z.number() })),
      }),
    ),
  /** Everything about one image: λ [layer][expert], and what the model says it is. */
  image: call.input(z.strictObject({ ...which, task: name, image: count })).output(
    z.strictObject({
      lambda: z.array(z.array(z.number())),
      label: z.string(),
      predicted: z.string(),
      confidence: share.nullable(),
    }),
  ),
};
