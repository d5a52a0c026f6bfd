/** Choosing a method and what a run of it would need. */
import { z } from 'zod';
import { call, corruptionChoice, count, failure, name, parameterValue } from './common.ts';

const range = z.strictObject({ min: z.number(), max: z.number() });
const parameterText = { title: z.string(), help: z.string() };
/** One parameter of a method, as its form needs it. */
export const parameter = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('number'), ...parameterText, default: z.number(), range }),
  z.strictObject({ kind: z.literal('integer'), ...parameterText, default: z.int(), range }),
  z.strictObject({ kind: z.literal('boolean'), ...parameterText, default: z.boolean() }),
  z.strictObject({
    kind: z.literal('choice'),
    ...parameterText,
    default: z.string(),
    range: z.array(z.string()),
  }),
  z.strictObject({ kind: z.literal('merge'), ...parameterText, default: z.literal('') }),
]);
export type ParameterCard = z.output<typeof parameter>;

const method = z.strictObject({
  id: name,
  kind: z.enum(['reference', 'static', 'statistics', 'adaptive']),
  /** The heading it stands under. */
  family: z.string(),
  title: z.string(),
  /** Two plain sentences. */
  summary: z.string(),
  formula: z.string().nullable(),
  paper: z.strictObject({ title: z.string(), url: z.url() }).nullable(),
  /** Whether it learns routers, so that a routing view exists. */
  routes: z.boolean(),
  parameters: z.record(z.string(), parameter),
});
export type MethodCard = z.output<typeof method>;

const engine = z.strictObject({
  id: z.string(),
  title: z.string(),
  available: z.boolean(),
  /** Why it is not available; empty when it is. */
  reason: z.string(),
  device: z.string(),
  /** Whether a program on the processor plays the card; "Automatic" never takes such a one. */
  software: z.boolean(),
  threads: count,
  /** Null until measured. */
  gflops: z.number().nullable(),
  /** Whether "Automatic" takes it, as measured. */
  chosen: z.boolean(),
});
export type EngineCard = z.output<typeof engine>;

/** What the Merge view edits; everything else of a recipe comes from the project. */
export const draft = z.strictObject({
  name: z.string().trim().min(1).max(100),
  seed: count,
  /** Tasks of the project that take part, in project order; none makes a plan with an error. */
  tasks: z.array(name),
  methods: z
    .array(
      z.strictObject({
        id: name,
        method: name,
        parameters: z.record(z.string(), parameterValue),
      }),
    )
    .min(1),
  adaptation: z.strictObject({ batch: z.int().min(1).max(65_536) }),
  /** Of the tasks, those that are measured only. */
  unseen: z.array(name),
  /** Corrupts the images of `tasks`, of all when null. */
  corruption: corruptionChoice.extend({ tasks: z.array(name).nullable() }).nullable(),
  /** Whether batches hold images of all tasks in random order. */
  mixed: z.strictObject({ adaptation: z.boolean(), evaluation: z.boolean() }),
  engine: z.strictObject({
    id: z.enum([
      'auto',
      'onnx',
      'onnx-webgpu',
      'onnx-cuda',
      'onnx-directml',
      'onnx-coreml',
      'tfjs',
      'reference',
    ]),
    threads: z.int().min(1).max(1024).optional(),
    /** fp16 halves the memory of frozen weights, and rounds them; fp32 where it is not said. */
    storage: z.enum(['fp32', 'fp16']).optional(),
  }),
  /**
   * Labels of a sample of this many images of each task may be read while adapting, to draw an accuracy
   * curve; null forbids it. Nothing is learned from them.
   */
  monitor: z.strictObject({ images: z.int().min(1).max(10_000) }).nullable(),
});
export type Draft = z.output<typeof draft>;

const finding = z.strictObject({
  severity: z.enum(['error', 'warning', 'note']),
  failure,
  /** What one click does about it: the draft as it would be then. */
  fix: z.strictObject({ title: z.string(), draft }).nullable(),
});
export type Finding = z.output<typeof finding>;

const plan = z.strictObject({
  findings: z.array(finding),
  /** Null when the draft has errors. */
  estimate: z
    .strictObject({
      /** Peak memory of the compute process, and what the machine has free. */
      memoryBytes: count,
      freeMemoryBytes: count,
      seconds: z.number().min(0),
      /** What the time rests on: "measured on an earlier run", "measured just now", … */
      basis: z.string(),
      trainableParameters: count,
      diskBytes: count,
    })
    .nullable(),
  /** The recipe as it would be saved. */
  recipe: z.string(),
});
export type Plan = z.output<typeof plan>;

const corruption = z.strictObject({ id: z.string(), title: z.string(), summary: z.string() });
export type CorruptionCard = z.output<typeof corruption>;

export const mergeContract = {
  methods: call.output(z.array(method)),
  /** Ways to corrupt images, for measuring robustness. */
  corruptions: call.output(z.array(corruption)),
  engines: call.input(z.strictObject({ measure: z.boolean() })).output(z.array(engine)),
  /** A sensible first draft: references, static merges and WEMoE for the demo; that of `run` to run it again. */
  draft: call.input(z.strictObject({ run: name.nullable() })).output(draft),
  plan: call.input(draft).output(plan),
  /** Creates the run and starts it; it goes on when the window closes its connection. */
  start: call.input(draft).output(z.strictObject({ run: name })),
};
