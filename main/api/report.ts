/** What report.json holds; in a file of its own, as the window reads reports too. */
import { z } from 'zod';

const share = z.number().min(0).max(1);
const count = z.int().min(0);
const reduction = z.enum(['per-sample', 'batch-mean']);

const taskDetails = z.strictObject({
  id: z.string(),
  title: z.string(),
  classes: count,
  images: count,
  /** Whether the images were drawn by a program instead of collected. */
  synthetic: z.boolean(),
  /** Set where no method saw its expert or its images before it was measured. */
  unseen: z.literal(true).optional(),
  corruption: z
    .strictObject({
      kind: z.string(),
      severity: z.int().min(1).max(5),
      constants: z.enum(['by-size', 'cifar', 'imagenet']),
    })
    .optional(),
});

/** A task whose images came to get few of its classes while a method adapted. */
export const collapseSchema = z.strictObject({
  task: z.string(),
  /** Steps finished when it was noticed. */
  step: count,
  /** Entropy of the mean prediction over that of all classes equally often, then and when it was largest. */
  usage: z.number(),
  peak: z.number(),
  /** What the guard did: nothing, end the adaptation, or go back and on with a reward for using all classes. */
  action: z.enum(['none', 'stopped', 'protected']),
  /** The step that it went back to. */
  keptStep: count.optional(),
});
export type Collapse = z.output<typeof collapseSchema>;

export const methodReportSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  /** Over the tasks that the method saw. */
  average: share,
  /** Over those that it did not. */
  unseenAverage: share.optional(),
  /** Mean over the tasks that the method saw of accuracy ÷ individual accuracy; null without individual models. */
  normalizedAverage: z.number().min(0).nullable(),
  /** By task id. */
  accuracy: z.record(z.string(), share),
  /** The method's name where the id is another. */
  method: z.string().optional(),
  parameters: z
    .record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.array(z.number())]))
    .optional(),
  /** How routing weights were reduced over a batch; dynamic methods only. */
  reduction: z.strictObject({ adaptation: reduction, evaluation: reduction }).optional(),
  /** Set where the model was told which task an image is of: other merges do without. */
  taskKnown: z.literal(true).optional(),
  trainableParameters: count.optional(),
  /** Numbers of the merged model, of a dynamic one with its experts and routers; what pruning made 0 does not count. */
  modelParameters: count.optional(),
  /** Steps done when a person, or the guard, ended the adaptation early. */
  stoppedAt: count.optional(),
  /** The step whose parameters were kept then: the best one by a criterion that needs no labels. */
  keptStep: count.optional(),
  /** Tasks that shared a call of the engine: as planned, and after it had run out of memory. */
  smallerCalls: z.strictObject({ step: count, from: count, to: count }).optional(),
  /** Images that shared a call in the evaluation: as asked for, and after the engine had run out of memory. */
  smallerBatch: z.strictObject({ from: count, to: count }).optional(),
  /** Who ended it, where it was the guard; a person's result is not the recipe's. */
  stoppedBy: z.literal('guard').optional(),
  /** Collapses that the guard noticed, in order. */
  collapses: z.array(collapseSchema).optional(),
  /** By task id, the accuracy of each class in the order of the task's classes. */
  perClass: z.record(z.string(), z.array(share.nullable())).optional(),
  /** By task id, counts [true class][predicted class]. */
  confusion: z.record(z.string(), z.array(z.array(count))).optional(),
});

export const reportSchema = z.strictObject({
  schema: z.literal(1),
  /** SHA-256 of the canonical recipe. */
  recipe: z.string(),
  seed: count,
  engine: z.strictObject({
    id: z.string(),
    title: z.string(),
    device: z.string(),
    precision: z.string(),
    threads: count,
    /** The card and its driver, where it computed on one that says what it is. */
    adapter: z
      .strictObject({ name: z.string(), driver: z.string(), software: z.boolean() })
      .optional(),
  }),
  /** Where batches held images of all tasks in random order; not said of batches of a single task. */
  mixed: z.strictObject({ adaptation: z.boolean(), evaluation: z.boolean() }).optional(),
  /** In words, which unlabelled images the adaptation saw. */
  adaptationData: z.string(),
  /** Task ids in recipe order. */
  tasks: z.array(z.string()),
  taskDetails: z.array(taskDetails),
  methods: z.array(methodReportSchema),
  /** The run folder; "." in the file itself. */
  run: z.string(),
  /** The exported model, relative to the run folder in the file itself; null when none was exported. */
  exported: z.string().nullable(),
});

export type Report = z.output<typeof reportSchema>;
export type MethodReport = z.output<typeof methodReportSchema>;
