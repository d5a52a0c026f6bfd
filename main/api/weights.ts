/** Merging the weights of any models, without tasks and images: what is chosen, what it needs, doing it. */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, count, handle, name } from './common.ts';
import { parameter } from './merge.ts';

const settings = z.record(
  z.string().max(100),
  z.union([z.number(), z.string().max(1000), z.boolean()]),
);
/** A parameter that has none takes the default of its method. */
export type WeightsSettings = z.output<typeof settings>;

const model = z.strictObject({
  handle,
  /** Of an adapter: the model that it changes. */
  on: handle.nullable(),
  /** What is set for this model alone. */
  settings,
});
export type WeightsModel = z.output<typeof model>;

const storedTypes = ['keep', 'fp32', 'fp16', 'bf16'] as const;

/** A merge of whole models, as the form has it. */
const form = z.strictObject({
  kind: z.literal('form'),
  method: name,
  /** In the order in which they are merged. */
  models: z.array(model).max(1000),
  /** The one of the models that the others were fine-tuned from; it is none of those that are merged. */
  base: handle.nullable(),
  /** For all models, and of the method as a whole. */
  settings,
  dtype: z.enum(storedTypes),
  seed: count,
  /** From a file: what it says that changes nothing. */
  notes: z.array(z.string()),
});
export type WeightsForm = z.output<typeof form>;

/** A file that says more than the form can show; it is merged as it is. */
const file = z.strictObject({
  kind: z.literal('file'),
  file: handle,
  /** Null: as the file says. */
  dtype: z.enum(storedTypes).nullable(),
});

export const weightsDraft = z.strictObject({
  source: z.discriminatedUnion('kind', [form, file]),
  /** What is done about findings, as a recipe carries it; none of them names a path. */
  fixes: z.array(z.string().max(1000)).max(100),
  /** Where the result goes. */
  output: handle.nullable(),
  /** What an earlier merge wrote there may be replaced. */
  overwrite: z.boolean(),
  /** Null: as the machine allows. */
  threads: z.int().min(1).max(1024).nullable(),
  memoryBytes: z.int().min(1).nullable(),
  shardBytes: z.int().min(1).nullable(),
});
export type WeightsDraft = z.output<typeof weightsDraft>;

const method = z.strictObject({
  id: name,
  family: z.string(),
  title: z.string(),
  summary: z.string(),
  formula: z.string(),
  paper: z.strictObject({ title: z.string(), url: z.url() }),
  /** Whose rules the defaults follow where implementations differ. */
  follows: z.string().nullable(),
  base: z.enum(['required', 'optional', 'unused']),
  experts: z.strictObject({ min: count, max: count.nullable() }),
  parameters: z.record(z.string(), parameter),
  /** One value for each model, or one for all. */
  perExpert: z.record(z.string(), parameter),
});
export type WeightsMethod = z.output<typeof method>;

const card = z.strictObject({
  title: z.string(),
  location: z.string(),
  kind: z.enum(['model', 'adapter']),
  /** "LlamaForCausalLM, 22 layers of width 2048"; null where nothing says it. */
  architecture: z.string().nullable(),
  format: z.string(),
  dtypes: z.array(z.string()),
  parameterCount: count,
  bytes: count,
  tensorCount: count,
  /** Of an adapter: the model it says it was made for. */
  madeFor: z.string().nullable(),
  /** What is unusual. */
  notes: z.array(z.string()),
});
export type WeightsCard = z.output<typeof card>;

const inspection = z.strictObject({
  card,
  metadata: z.array(z.strictObject({ key: z.string(), value: z.string() })),
  /** In file order; the first of them where there are too many to list. */
  tensors: z.array(z.strictObject({ name: z.string(), dtype: z.string(), shape: z.array(count) })),
});
export type WeightsInspection = z.output<typeof inspection>;

const opened = z.strictObject({
  /** Null where the form cannot show everything that the file says. */
  form: form.nullable(),
  fixes: z.array(z.string()),
  /** What such a file asks for, line by line. */
  file: z
    .strictObject({
      title: z.string(),
      summary: z.array(z.strictObject({ label: z.string(), text: z.string() })),
    })
    .nullable(),
  /** Models of the Hub that it names and that are not on this machine; with any, all else is null. */
  missing: z.array(z.string()),
});
export type WeightsFile = NonNullable<z.output<typeof opened>['file']>;

const finding = z.strictObject({
  severity: z.enum(['error', 'warning', 'info']),
  title: z.string(),
  what: z.string(),
  tensors: z.strictObject({ examples: z.array(z.string()), count }),
  /** What one click does about it: the draft as it would be then. */
  fixes: z.array(z.strictObject({ title: z.string(), draft: weightsDraft })),
});
export type WeightsFinding = z.output<typeof finding>;

const plan = z.strictObject({
  /** Errors first; with one among them there is nothing to merge. */
  findings: z.array(finding),
  /** Null where it cannot be told. */
  needs: z
    .strictObject({
      parameterCount: count,
      inputBytes: count,
      outputBytes: count,
      /** Null before the first merge by this method on this machine. */
      seconds: z.number().min(0).nullable(),
      memoryBytes: count,
      ceilingBytes: count,
      threads: count,
      freeDiskBytes: count.nullable(),
    })
    .nullable(),
  /** The folder that would be made. */
  location: z.string().nullable(),
  /** An interrupted merge to this place is left; the same merge goes on with it, another one begins anew. */
  unfinished: z.boolean(),
  /** The recipe as it is kept with the result; empty where there is an error. */
  recipe: z.string(),
});
export type WeightsPlan = z.output<typeof plan>;

const finished = z.strictObject({
  type: z.literal('finished'),
  location: z.string(),
  /** For `shell.reveal` and `inspect`. */
  place: handle,
  method: z.string(),
  files: z.array(z.strictObject({ name: z.string(), bytes: count, sha256: z.string() })),
  parents: z.array(
    z.strictObject({
      name: z.string(),
      files: z.array(z.strictObject({ name: z.string(), bytes: count, sha256: z.string() })),
    }),
  ),
  totalBytes: count,
  seconds: z.number().min(0),
  resumed: z.boolean(),
  threads: count,
});
export type WeightsFinished = z.output<typeof finished>;

const progress = z.strictObject({
  type: z.literal('progress'),
  tensor: z.string(),
  /** Bytes read and written. */
  done: count,
  total: count,
  megabytesPerSecond: z.number().min(0),
  secondsLeft: z.number().min(0).nullable(),
});
export type WeightsProgress = z.output<typeof progress>;

const scan = z.strictObject({
  draft: weightsDraft,
  /** Every value that is no number; or a few tensors of each model compared with those of the base. */
  check: z.enum(['non_finite', 'distance']),
});
export type WeightsScan = z.output<typeof scan>;

const scanProgress = z.strictObject({
  type: z.literal('progress'),
  /** Tensors. */
  done: count,
  total: count,
});
export type WeightsScanProgress = z.output<typeof scanProgress>;

const scanned = z.strictObject({
  type: z.literal('scanned'),
  findings: z.array(finding),
  tensorCount: count,
});
export type WeightsScanned = z.output<typeof scanned>;

export const weightsContract = {
  methods: call.output(z.array(method)),
  describe: call.input(z.strictObject({ handle })).output(card),
  inspect: call.input(z.strictObject({ handle })).output(inspection),
  /** Reads a mergekit file or a recipe: as a form where that can show all of it. */
  open: call.input(z.strictObject({ file: handle })).output(opened),
  /** Reads headers alone. */
  plan: call.input(weightsDraft).output(plan),
  /** Ending the iteration cancels; what is done stays beside the output, and the same merge goes on with it. */
  start: call
    .input(weightsDraft)
    .output(eventIterator(z.discriminatedUnion('type', [progress, finished]))),
  /** Reads weights as the check asks; ending the iteration cancels. */
  scan: call
    .input(scan)
    .output(eventIterator(z.discriminatedUnion('type', [scanProgress, scanned]))),
  /** Removes what an interrupted merge has left beside its output. */
  discard: call.input(z.strictObject({ output: handle })).output(z.void()),
};
