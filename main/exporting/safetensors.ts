/** The Hugging Face folder: config.json, preprocessor_config.json, model.safetensors, heads/. */
import { dictionaryName, tensorNamed } from '../adaptation/dictionary.ts';
import type { RouterDepth } from '../adaptation/router.ts';
import type { OutputDType, TensorToWrite } from '../checkpoints/writer.ts';
import type { Tensor } from '../lib/tensor.ts';
import { visionTensors } from '../models/vit.ts';
import type { ExportFolder } from './folder.ts';
import {
  configFile,
  dynamicConfig,
  headFile,
  preprocessorConfig,
  preprocessorFile,
  staticConfig,
  storedDictionaryName,
  weightsFile,
} from './layout.ts';
import type { Prepared } from './prepare.ts';
import type { ExportedTask, ExportSource } from './source.ts';

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
    await folder.writeJson(configFile, dynamicConfig(prepared, routerDepth(source)));
  }
  await folder.writeJson(
    preprocessorFile,
    preprocessorConfig(source.model.config, source.normalisation),
  );
  for (const task of source.tasks) await writeHead(folder, task);
}

function toWrite(name: string, { shape, data }: Tensor, dtype: OutputDType): TensorToWrite {
  return { name, dtype, shape, data };
}

function dynamicTensors({ model, values }: ExportSource, dtype: OutputDType): TensorToWrite[] {
  const tensors: TensorToWrite[] = [];
  for (const [name, shape] of visionTensors(model.config)) {
    tensors.push(toWrite(name, tensorNamed(model.constants, name), dtype));
    const dictionary = model.constants.get(dictionaryName(name));
    if (dictionary === undefined) continue;
    const stacked = { shape: [dictionary.shape[0] ?? 0, ...shape], data: dictionary.data };
    tensors.push(toWrite(storedDictionaryName(name), stacked, dtype));
  }
  // Routers are small and steer everything: they keep their precision.
  for (const { name } of model.trainables) {
    tensors.push(toWrite(name, tensorNamed(values, name), 'F32'));
  }
  return tensors;
}

/** Read off the trained tensors of block 0; throws for a model with other trainables than routers. */
function routerDepth({ model }: ExportSource): RouterDepth {
  const names = new Set(model.trainables.map(({ name }) => name));
  if (!names.has('routers.0.fc2.bias')) throw new Error('the model has no routers to export');
  if (names.has('routers.0.fc1.weight')) return 2;
  return names.has('routers.0.fc2.weight') ? 1 : 0;
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
