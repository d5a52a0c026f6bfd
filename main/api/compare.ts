/** Two models side by side on single images; accuracies come with the reports of runs. */
import { z } from 'zod';
import { call, count, name, share } from './common.ts';

/** A model of a finished run. */
const model = z.strictObject({ run: name, method: name });

const answer = z.strictObject({
  predicted: z.string(),
  right: z.boolean(),
  confidence: share.nullable(),
});

export const compareContract = {
  /** Images of a task on which two models differ; those with the surest answers first. */
  disagreements: call
    .input(
      z.strictObject({
        a: model,
        b: model,
        task: name,
        /** Which of the two is right, where only one is asked for. */
        right: z.enum(['any', 'a', 'b', 'neither']),
        offset: count,
        limit: z.int().min(1).max(256),
      }),
    )
    .output(
      z.strictObject({
        total: count,
        images: z.array(z.strictObject({ image: count, label: z.string(), a: answer, b: answer })),
      }),
    ),
};
