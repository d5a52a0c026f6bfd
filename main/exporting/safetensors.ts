/** The Hugging Face folder: config.json, preprocessor_config.json, model.safetensors, heads/. */
import { dictionaryOwner, tensorNamed } from '../adaptation/dictionary.ts';
import { splitModules } from '../adaptation/surgery.ts';
import type { OutputDType, TensorToWrite } from '../checkpoints/writer.ts';
import type { Tensor } from '../lib/tensor.ts';
import { shapeNamed, type ModelForm } from '../models/merged-model.ts';
import { visionTensors } from '../models/vit.ts';
import type { ExportFolder } from './folder.ts';
import {
  configFile,
  dynamicConfig,
  headFile,
  moduleNames,
  modulesFile,
  preprocessorConfig,
  preprocessorFile,
  staticConfig,
  storedDictionaryName,
  weightsFile,
} from './layout.ts';
import type { Prepared } from './prepare.ts';
import type { ExportedTask, ExportSource } from './source.ts';
import { compress, isSparse, sparseNames } from './sparse.ts';

/** As config.json names them. */
export const dtypeNames = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/** Writes the model into `folder`; encoder tensors and dictionaries as `dtype`, routers and heads as F32. */
export async function writeSafetensorsFolder(
  folder: ExportFolder,
  prepared: Prepared,
  dtype: OutputDType,
): Promise<void> {
  const { source, kind, folded } = prepared;
  const metadata = fileMetadata(source);
  if (kind === 'static') {
    const weights = folded?.weights ?? source.model.constants;
    const names = [...visionTensors(source.model.config).keys()];
    const tensors = names.map((name) => toWrite(name, tensorNamed(weights, name), dtype));
    await folder.writeTensors(weightsFile, tensors, metadata);
    await folder.writeJson(configFile, { ...staticConfig(prepared), dtype: dtypeNames[dtype] });
  } else {
    await folder.writeTensors(weightsFile, dynamicTensors(source, dtype), metadata);
    await folder.writeJson(configFile, dynamicConfig(prepared, formOf(source)));
  }
  await folder.writeJson(
    preprocessorFile,
    preprocessorConfig(source.model.config, source.normalisation),
  );
  for (const task of source.tasks) await writeHead(folder, task);
  if (source.model.byTask !== undefined) await writeModules(folder, source);
}

/** Representation Surgery: the module of each task by its name, small and in full precision. */
async function writeModules(
  folder: ExportFolder,
  { experts, values }: ExportSource,
): Promise<void> {
  const tensors = splitModules(values, experts.length).flatMap(({ down, up }, k) => {
    const names = moduleNames(experts[k]?.name ?? '');
    return [toWrite(names.down, down, 'F32'), toWrite(names.up, up, 'F32')];
  });
  const metadata = new Map([
    ['format', 'pt'],
    ['use', 'features of a task = features - up @ relu(down @ features), before its head'],
  ]);
  await folder.writeTensors(modulesFile, tensors, metadata);
}

function toWrite(name: string, { shape, data }: Tensor, dtype: OutputDType): TensorToWrite {
  return { name, dtype, shape, data };
}

function dynamicTensors({ model, values }: ExportSource, dtype: OutputDType): TensorToWrite[] {
  const shapes = visionTensors(model.config);
  const tensors = [...model.constants].flatMap(([name, tensor]) => {
    const owner = dictionaryOwner(name);
    if (owner === undefined) return [toWrite(name, tensor, dtype)];
    const stored = storedDictionaryName(owner);
    if (isSparse(tensor.data)) return sparseTensors(stored, tensor.data, dtype);
    const shape = [tensor.shape[0] ?? 0, ...shapeNamed(shapes, owner)];
    return [toWrite(stored, { shape, data: tensor.data }, dtype)];
  });
  // Routers are small and steer everything: they keep their precision, and so does what learned with them.
  for (const { name } of model.trainables) {
    tensors.push(toWrite(name, tensorNamed(values, name), 'F32'));
  }
  return tensors;
}

function sparseTensors(name: string, data: Float32Array, dtype: OutputDType): TensorToWrite[] {
  const names = sparseNames(name);
  const { mask, values } = compress(data);
  return [
    { name: names.mask, dtype: 'U8', shape: [mask.length], data: mask },
    { name: names.values, dtype, shape: [values.length], data: values },
  ];
}

function formOf({ model: { form } }: ExportSource): ModelForm {
  if (form === undefined) throw new Error('the model has routers but no form to write');
  return form;
}

async function writeHead(
  folder: ExportFolder,
  { head, title, classNames }: ExportedTask,
): Promise<void> {
  const metadata = new Map([
    ['format', 'pt'],
    ['task', head.task],
    ['title', title],
    ['class_names', JSON.stringify(classNames)],
    ['use', 'logits = weight @ (features / |features|); the logit scale is multiplied in'],
  ]);
  await folder.writeTensors(headFile(head.task), [toWrite('weight', head.weight, 'F32')], metadata);
}

/** transformers refuses files that do not say `format: pt`. */
function fileMetadata(source: ExportSource): ReadonlyMap<string, string> {
  return new Map([
    ['format', 'pt'],
    ['producer', 'mergewright'],
    ['method', source.method.id],
    ['recipe_sha256', source.recipe.sha256],
    ['inputs', JSON.stringify([source.base, ...source.experts])],
  ]);
}
