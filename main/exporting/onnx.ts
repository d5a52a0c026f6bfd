/** One ONNX file: images in; features, routing weights and the logits of every task's head out. */
import { encodeProgram, layOutExternally, type ExternalRange } from '../engine/onnx/model.ts';
import { opset } from '../engine/onnx/proto.ts';
import { Builder } from '../graph/builder.ts';
import type { Program, Value } from '../graph/program.ts';
import type { DurableFile } from '../lib/durable.ts';
import { widened, type Tensor } from '../lib/tensor.ts';
import { normalise } from '../models/head.ts';
import { featureSize } from '../models/vision-config.ts';
import { imageShape } from '../models/vit.ts';
import type { ExportFolder } from './folder.ts';
import { expertNames, expertOf } from './source.ts';
import { inferenceModel, type Prepared } from './prepare.ts';
import { isWorthIndices } from './sparse.ts';

export const onnxFile = 'model.onnx';
const externalFile = 'model.onnx.data';
const constantRoutingName = 'routing_weights';
/** The exported program names no batch size; this one only serves to write shapes down. */
const nominalBatch = 2;

/** Output that holds the logits [batch, classes] of one task's head: a run asks for the one it wants. */
export function logitsName(task: string): string {
  return `logits/${task}`;
}

function headName(task: string): string {
  return `heads/${task}`;
}

function ownName(task: string): string {
  return `own/${task}`;
}

/** [1, K] with 1 at one place. */
function oneHot(place: number, size: number): Tensor {
  const data = new Float32Array(size);
  data[place] = 1;
  return { shape: [1, size], data };
}

/**
 * Input `images` [batch, c, s, s]; results `features` [batch, e], `routing` [batch, layers, K] where
 * the model has routing weights, and `logits/<task>` [batch, classes]. Every image is routed on its own.
 */
function inferenceProgram(prepared: Prepared): {
  readonly program: Program;
  readonly constants: ReadonlyMap<string, Tensor>;
} {
  const { source, constantRouting } = prepared;
  const { model, values } = inferenceModel(prepared);
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, nominalBatch), { batch: true });
  const encoding = model.encode(g, images, { reduction: 'per-sample', groups: 1 });
  const { features } = encoding;
  const results: Record<string, Value> = { features };
  const given = new Map([...model.constants, ...values]);
  if (encoding.routing.length > 0) {
    results['routing'] = stackLayers(g, encoding.routing);
  } else if (constantRouting !== undefined) {
    given.set(constantRoutingName, constantRouting);
    results['routing'] = repeatForBatch(g, features, constantRouting.shape);
  }
  for (const { head } of source.tasks) {
    given.set(headName(head.task), head.weight);
    const weight = g.constant(headName(head.task), head.weight.shape);
    // Whoever asks for the logits of a task says that the images are of it.
    const expert = expertOf(expertNames(source), head.task);
    const { byTask } = model;
    const known = byTask !== undefined && expert !== undefined;
    if (known) given.set(ownName(head.task), oneHot(expert, byTask.experts));
    const own = known
      ? byTask.apply(g, features, g.constant(ownName(head.task), [1, byTask.experts]))
      : features;
    results[logitsName(head.task)] = g.matmul(normalise(g, own), weight, { transposeRight: true });
  }
  const program = settle(g.build('mergewright', results), values);
  const constants = new Map<string, Tensor>();
  for (const { name, kind } of program.parameters) {
    if (kind === 'constant') constants.set(name, required(given, name));
  }
  return { program, constants };
}

/** Trained values no longer travel with a run: they are constants now. */
function settle(program: Program, values: ReadonlyMap<string, Tensor>): Program {
  const parameters = program.parameters.map((parameter) =>
    values.has(parameter.name) ? { ...parameter, kind: 'constant' as const } : parameter,
  );
  return { ...program, parameters };
}

function required(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`constant "${name}" is missing`);
  return widened(tensor);
}

/** λ [B, K] of every layer as [B, layers, K]. */
function stackLayers(g: Builder, routing: readonly Value[]): Value {
  const rows = routing.map((lambdas) => g.reshape(lambdas, [-1, 1, g.shape(lambdas).at(-1) ?? 1]));
  return g.concat(rows, 1);
}

/** A constant [layers, K], once for each image of the batch. */
function repeatForBatch(g: Builder, features: Value, shape: readonly number[]): Value {
  // A step is 0 or 1 whatever the feature is, so that zero times it is zero.
  const zero = g.scale(g.unary('step', g.slice(features, 1, 0, 1)), 0);
  const lambdas = g.constant(constantRoutingName, shape);
  return g.add(g.reshape(zero, [-1, 1, 1]), lambdas);
}

/** Writes `model.onnx`, with the weights beside it in `model.onnx.data` above `inlineBytes`. */
export async function writeOnnx(
  folder: ExportFolder,
  prepared: Prepared,
  inlineBytes: number,
): Promise<void> {
  const { program, constants } = inferenceProgram(prepared);
  const entries = [...constants];
  const sparse = new Set(
    entries.flatMap(([name, { data }]) => (isWorthIndices(data) ? [name] : [])),
  );
  const dense = new Map(entries.filter(([name]) => !sparse.has(name)));
  let bytes = 0;
  for (const { data } of dense.values()) bytes += data.byteLength;
  const ranges =
    bytes <= inlineBytes ? new Map<string, ExternalRange>() : layOutExternally(externalFile, dense);
  const description = {
    docString: describe(prepared),
    metadata: onnxMetadata(prepared),
    help: portHelp(prepared),
    sparse,
  };
  if (ranges.size > 0) {
    let end = 0;
    for (const { offset, length } of ranges.values()) end = offset + length;
    await folder.produce(externalFile, end, (file) => writeRanges(file, dense, ranges));
  }
  const model = encodeProgram(program, constants, ranges, description);
  await folder.writeBytes(onnxFile, [model]);
}

async function writeRanges(
  file: DurableFile,
  constants: ReadonlyMap<string, Tensor>,
  ranges: ReadonlyMap<string, ExternalRange>,
): Promise<void> {
  let position = 0;
  for (const [name, { data }] of constants) {
    const offset = ranges.get(name)?.offset ?? position;
    if (offset > position) await file.write(new Uint8Array(offset - position));
    await file.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    position = offset + data.byteLength;
  }
}

function describe({ source }: Prepared): string {
  return `${source.title}: ${source.method.title} of ${source.experts.map(({ name }) => name).join(', ')}. Written by Mergewright.`;
}

export const licenceNote =
  'The licences of the base model, of the fine-tuned models and of the data they were trained on apply; the export adds none.';

/** What a program needs to preprocess images and to name classes; values are text or JSON. */
function onnxMetadata({ source }: Prepared): ReadonlyMap<string, string> {
  const { config } = source.model;
  const classes = source.tasks.map(({ head, classNames }) => [head.task, classNames] as const);
  const { mean, deviation } = source.normalisation;
  const preprocessing = {
    color: 'RGB',
    layout: 'NCHW',
    size: config.imageSize,
    rescale: 1 / 255,
    mean,
    std: deviation,
  };
  return new Map([
    ['classes', JSON.stringify(Object.fromEntries(classes))],
    ['experts', JSON.stringify(source.experts.map(({ name }) => name))],
    ['inputs', JSON.stringify([source.base, ...source.experts])],
    ['licence', [licenceNote, ...(source.licences ?? [])].join(' ')],
    ['method', source.method.id],
    ['opset', String(opset)],
    ['preprocessing', JSON.stringify(preprocessing)],
    ['producer', 'mergewright'],
    ['recipe_sha256', source.recipe.sha256],
    ['tasks', JSON.stringify(source.tasks.map(({ head }) => head.task))],
  ]);
}

function portHelp({ source }: Prepared): ReadonlyMap<string, string> {
  const help = new Map([
    ['images', 'RGB images, resized, scaled to [0, 1], minus mean, divided by std, channels first'],
    [
      'features',
      `image features, not normalised${source.model.byTask === undefined ? '' : ', before the module of any task'}`,
    ],
    ['routing', 'routing weights of every image, by layer and expert'],
  ]);
  for (const { head, title } of source.tasks) {
    help.set(logitsName(head.task), `logits of the classes of ${title}`);
  }
  return help;
}

/** Names and shapes that the file must declare; "batch" is any size. */
export function declaredShapes({
  source,
  layers,
  experts,
}: Prepared): ReadonlyMap<string, readonly (number | string)[]> {
  const { config } = source.model;
  const shapes = new Map<string, readonly (number | string)[]>([
    ['images', ['batch', ...imageShape(config, 1).slice(1)]],
    ['features', ['batch', featureSize(config)]],
  ]);
  if (layers > 0) shapes.set('routing', ['batch', layers, experts]);
  for (const { head } of source.tasks) {
    shapes.set(logitsName(head.task), ['batch', head.weight.shape[0] ?? 0]);
  }
  return shapes;
}
