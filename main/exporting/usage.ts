/** Code that runs an export without Mergewright, for its model card. */
import { featureSize } from '../models/vision-config.ts';
import { headFile, moduleNames, modulesFile } from './layout.ts';
import { logitsName } from './onnx.ts';
import { opset } from '../engine/onnx/proto.ts';
import type { Prepared } from './prepare.ts';

export interface Snippet {
  readonly language: 'python' | 'js';
  readonly code: string;
}

/** The shortest program that runs the export; null where only Mergewright reads it. */
export function snippet(prepared: Prepared, format: 'safetensors' | 'onnx'): Snippet | null {
  if (format === 'onnx') return onnxPython(prepared);
  return prepared.kind === 'static' ? transformersPython(prepared) : null;
}

/** The section "how to run it" of one format, as Markdown. */
export function usage(prepared: Prepared, format: 'safetensors' | 'onnx'): string {
  if (format === 'onnx') return onnxUsage(prepared);
  return prepared.kind === 'static' ? transformersUsage(prepared) : dynamicUsage(prepared);
}

function fenced({ language, code }: Snippet): string {
  return `\`\`\`${language}\n${code}\n\`\`\``;
}

function onnxPython({ source }: Prepared): Snippet {
  const task = source.tasks[0]?.head.task;
  const wanted = task === undefined ? 'features' : logitsName(task);
  const classes = task === undefined ? 'meta' : `json.loads(meta["classes"])["${task}"]`;
  const show =
    task === undefined ? 'print(result.shape)' : `print(${classes}[int(result[0].argmax())])`;
  const code = `
import json, numpy as np, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession("model.onnx")
meta = session.get_modelmeta().custom_metadata_map
p = json.loads(meta["preprocessing"])
image = Image.open("image.png").convert("RGB").resize((p["size"], p["size"]), Image.BICUBIC)
x = (np.asarray(image, np.float32) / 255 - p["mean"]) / p["std"]
x = np.ascontiguousarray(x.transpose(2, 0, 1)[None], np.float32)
(result,) = session.run(["${wanted}"], {"images": x})
${show}`;
  return { language: 'python', code: code.trim() };
}

function onnxUsage(prepared: Prepared): string {
  const { source, kind, layers, experts } = prepared;
  const { config } = source.model;
  const task = source.tasks[0]?.head.task;
  const wanted = task === undefined ? 'features' : logitsName(task);
  const outputs = [
    `- \`images\` [batch, ${config.channelCount}, ${config.imageSize}, ${config.imageSize}] is the input; the batch may have any size.`,
    `- \`features\` [batch, ${featureSize(config)}]: the image features, not normalised${source.model.byTask === undefined ? '' : ', before the module of any task'}.`,
    ...(kind === 'dynamic'
      ? [`- \`routing\` [batch, ${layers}, ${experts}]: the routing weights of every image.`]
      : []),
    ...source.tasks.map(
      ({ head }) =>
        `- \`${logitsName(head.task)}\` [batch, ${head.weight.shape[0] ?? 0}]: logits of this task's classes.`,
    ),
  ].join('\n');
  const node = `
import { InferenceSession, Tensor } from 'onnxruntime-node';
const session = await InferenceSession.create('model.onnx');
const pixels = new Float32Array(${config.channelCount} * ${config.imageSize} * ${config.imageSize}); // preprocessed as above
const images = new Tensor('float32', pixels, [1, ${config.channelCount}, ${config.imageSize}, ${config.imageSize}]);
const { '${wanted}': result } = await session.run({ images }, ['${wanted}']);
console.log(result.data.indexOf(Math.max(...result.data)));`;
  const memory =
    kind === 'dynamic'
      ? 'Every image of a batch gets its own MLP weights, so memory grows with the batch; use small batches for large models.'
      : '';
  return [
    `\`model.onnx\` is an ordinary ONNX model (opset ${opset}, float32). Ask for the outputs you need by name; the head is chosen by asking for its logits.`,
    outputs,
    fenced(onnxPython(prepared)),
    fenced({ language: 'js', code: node.trim() }),
    'Class names, mean and std are in the metadata of the file (keys `classes`, `preprocessing`) and in this page.',
    memory,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function headUsage({ source }: Prepared): string {
  const task = source.tasks[0]?.head.task;
  if (task === undefined) return '';
  const { down, up } = moduleNames(task);
  const module =
    source.model.byTask === undefined
      ? ''
      : `
module = load_file("${modulesFile}")
features = features - torch.relu(features @ module["${down}"].T) @ module["${up}"].T`;
  return `${module}
head = load_file("${headFile(task)}")["weight"]
logits = features / features.norm(dim=-1, keepdim=True) @ head.T
print(logits.argmax(-1))`;
}

function transformersPython(prepared: Prepared): Snippet {
  const type = transformersType(prepared);
  const projected = prepared.source.model.config.projectionSize !== undefined;
  const output = projected ? 'image_embeds' : 'pooler_output';
  const code = `
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import ${type}, CLIPImageProcessor
model = ${type}.from_pretrained(".", torch_dtype=torch.float32)
inputs = CLIPImageProcessor.from_pretrained(".")(Image.open("image.png"), return_tensors="pt")
features = model(**inputs).${output}${headUsage(prepared)}`;
  return { language: 'python', code: code.trim() };
}

function transformersType({ source }: Prepared): string {
  const projected = source.model.config.projectionSize !== undefined;
  return projected ? 'CLIPVisionModelWithProjection' : 'CLIPVisionModel';
}

function transformersUsage(prepared: Prepared): string {
  const type = transformersType(prepared);
  const modules =
    prepared.source.model.byTask === undefined
      ? ''
      : ` \`${modulesFile}\` holds the module of each task, which is applied to the features before the task’s head; transformers does not apply it by itself.`;
  return `The folder is an ordinary \`${type}\` of transformers.${modules}\n\n${fenced(transformersPython(prepared))}`;
}

function dynamicUsage({ source }: Prepared): string {
  return (
    'transformers has no model with routers: this folder is read by Mergewright, and `config.json` says in words what it computes. ' +
    'To run the model anywhere else, export it as ONNX. `model.safetensors` holds the encoder under its usual names ' +
    '(the MLPs are those of the pre-trained model), the task vectors of each MLP tensor as `….task_vectors` [experts, …], ' +
    `and the routers as \`routers.N.…\`. The heads of the ${source.tasks.length} tasks are in \`heads/\`.`
  );
}
