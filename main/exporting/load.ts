/** Reads back what the safetensors export wrote. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { dictionaryOwner } from '../adaptation/dictionary.ts';
import { assembleForm, formSchema, type DynamicForm } from '../adaptation/forms.ts';
import { assembleSurgery, type SurgeryModule } from '../adaptation/surgery.ts';
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import { openCheckpoint } from '../checkpoints/open.ts';
import type { Normalisation } from '../data/images.ts';
import { AppError } from '../lib/errors.ts';
import { elementCount, type Tensor } from '../lib/tensor.ts';
import { loadHead, type Head } from '../models/head.ts';
import { shapeNamed, staticModel, type MergedModel } from '../models/merged-model.ts';
import { featureSize, type VisionConfig } from '../models/vision-config.ts';
import { loadVisionModel, visionArchitecture } from '../models/vision-model.ts';
import { visionTensors } from '../models/vit.ts';
import { imagesName, traceMerges } from './fold.ts';
import {
  dynamicConfigSchema,
  exportConfigSchema,
  headFile,
  kindOf,
  moduleNames,
  modulesFile,
  preprocessorFile,
  preprocessorSchema,
  storedDictionaryName,
} from './layout.ts';
import { countBits, expand, maskBytes, sparseNames } from './sparse.ts';

export interface LoadedExport {
  readonly kind: 'static' | 'dynamic';
  readonly title: string;
  readonly model: MergedModel;
  readonly values: ReadonlyMap<string, Tensor>;
  /** Names in the order of the dictionary. */
  readonly experts: readonly string[];
  readonly tasks: readonly {
    readonly head: Head;
    readonly title: string;
    readonly classNames: readonly string[];
  }[];
  readonly normalisation: Normalisation;
}

/**
 * The model in `folder`, which a safetensors export wrote: static or dynamic, with its heads. Throws
 * `export.unreadable`, and what opening checkpoints throws (`checkpoint.*`, `model.*`).
 */
export async function loadExported(folder: string): Promise<LoadedExport> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const config = parse(exportConfigSchema, checkpoint.config, checkpoint.path);
    const dynamic = kindOf(config.model_type) !== undefined;
    const { model, values } = dynamic
      ? await loadDynamic(checkpoint)
      : await loadStatic(checkpoint, folder, config.mergewright);
    const tasks: LoadedExport['tasks'][number][] = [];
    for (const { id, title, classes } of config.mergewright.tasks) {
      const head = await readHead(join(folder, headFile(id)), id, featureSize(model.config));
      if (head.weight.shape[0] !== classes.length) {
        throw unreadable(folder, `the head of "${id}" does not fit its ${classes.length} classes`);
      }
      tasks.push({ head, title, classNames: classes });
    }
    return {
      kind: dynamic ? 'dynamic' : 'static',
      title: config.mergewright.method.title,
      model,
      values,
      experts: config.mergewright.experts,
      tasks,
      normalisation: await readNormalisation(join(folder, preprocessorFile)),
    };
  } finally {
    await checkpoint.close();
  }
}

/** An ordinary encoder, with the modules of its tasks where it has some. */
async function loadStatic(
  checkpoint: Checkpoint,
  folder: string,
  { surgery, experts }: z.output<typeof exportConfigSchema>['mergewright'],
): Promise<{ model: MergedModel; values: ReadonlyMap<string, Tensor> }> {
  const encoder = await loadVisionModel(checkpoint);
  if (surgery === undefined) return { model: staticModel(encoder), values: new Map() };
  const width = featureSize(encoder.config);
  const file = await openCheckpoint(join(folder, modulesFile));
  try {
    const modules: SurgeryModule[] = [];
    for (const task of experts) {
      const names = moduleNames(task);
      const down = await readShaped(file, names.down, [surgery.rank, width]);
      modules.push({ down, up: await readShaped(file, names.up, [width, surgery.rank]) });
    }
    return assembleSurgery(encoder.config, encoder.weights, modules);
  } finally {
    await file.close();
  }
}

async function readHead(path: string, task: string, features: number): Promise<Head> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await loadHead(checkpoint, task, features);
  } finally {
    await checkpoint.close();
  }
}

async function readNormalisation(path: string): Promise<Normalisation> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw unreadable(path, 'it is missing or is not JSON', cause);
  }
  const { image_mean: mean, image_std: deviation } = parse(preprocessorSchema, json, path);
  return { mean, deviation };
}

async function loadDynamic(
  checkpoint: Checkpoint,
): Promise<{ model: MergedModel; values: ReadonlyMap<string, Tensor> }> {
  const { config, form } = readForm(checkpoint);
  // Which tensors the model needs, and in which shapes, its own program says.
  const { program } = traceMerges(assembleForm(form, config, new Map(), []));
  const constants = new Map<string, Tensor>();
  const values = new Map<string, Tensor>();
  for (const { name, kind, value } of program.parameters) {
    const shape = program.shapes[value] ?? [];
    if (kind === 'constant')
      constants.set(name, await readConstant(checkpoint, config, name, shape));
    else if (name !== imagesName) values.set(name, await readShaped(checkpoint, name, shape));
  }
  const trainables = [...values].map(([name, { shape, data }]) => ({ name, shape, initial: data }));
  return { model: assembleForm(form, config, constants, trainables), values };
}

/** Throws `export.unreadable`, and what `visionArchitecture` throws. */
function readForm(checkpoint: Checkpoint): { config: VisionConfig; form: DynamicForm } {
  const { vision_config, ...said } = parse(dynamicConfigSchema, checkpoint.config, checkpoint.path);
  const config = visionArchitecture({ ...encoderOf(checkpoint), config: vision_config });
  const kind = kindOf(said.model_type);
  return { config, form: parse(formSchema, { kind, ...said }, checkpoint.path) };
}

/** The tensors of a checkpoint without its configuration. */
function encoderOf(checkpoint: Checkpoint): Omit<Checkpoint, 'config'> {
  return {
    path: checkpoint.path,
    metadata: checkpoint.metadata,
    tensors: checkpoint.tensors,
    read: (name) => checkpoint.read(name),
    close: () => checkpoint.close(),
  };
}

/** A constant as it is stored: dictionaries beside the tensors they are added to, sparse ones without zeros. */
async function readConstant(
  checkpoint: Checkpoint,
  config: VisionConfig,
  name: string,
  shape: readonly number[],
): Promise<Tensor> {
  const tensor = dictionaryOwner(name);
  if (tensor === undefined) return readShaped(checkpoint, name, shape);
  const [experts = 0] = shape;
  const stored = storedDictionaryName(tensor);
  const { mask, values } = sparseNames(stored);
  if (checkpoint.tensors.has(mask)) {
    const bits = await readShaped(checkpoint, mask, [maskBytes(shape)]);
    const count = countBits(bits.data);
    const kept = await readShaped(checkpoint, values, [count]);
    return { shape, data: expand(elementCount(shape), bits.data, kept.data) };
  }
  const own = shapeNamed(visionTensors(config), tensor);
  return { shape, data: (await readShaped(checkpoint, stored, [experts, ...own])).data };
}

async function readShaped(
  checkpoint: Checkpoint,
  name: string,
  shape: readonly number[],
): Promise<Tensor> {
  const info = checkpoint.tensors.get(name);
  const found = info === undefined ? 'is missing' : `has shape [${info.shape.join(', ')}]`;
  if (info?.shape.join() !== shape.join()) {
    const what = `the tensor "${name}" [${shape.join(', ')}] ${found}`;
    throw unreadable(checkpoint.path, what);
  }
  return checkpoint.read(name);
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  json: unknown,
  where: string,
): z.infer<Schema> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw unreadable(where, `"${issue?.path.join('.') ?? ''}": ${issue?.message ?? 'invalid'}`);
}

function unreadable(where: string, what: string, cause?: unknown): AppError {
  return new AppError('export.unreadable', {
    what,
    where,
    hint: 'open a folder that the safetensors export wrote, with all its files',
    cause,
  });
}
