/**
 * Folding: a merge whose coefficients are known numbers is an ordinary weight set. Where each weight of
 * a merged model gets its coefficients from is read off its program, so no method is known here.
 */
import { dictionaryName, tensorNamed } from '../adaptation/dictionary.ts';
import { createReferenceEngine } from '../engine/reference/engine.ts';
import { Builder } from '../graph/builder.ts';
import type { Program, Value } from '../graph/program.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { MergedModel } from '../models/merged-model.ts';
import type { VisionModel } from '../models/vision-model.ts';
import { imageShape, visionTensors } from '../models/vit.ts';

/** Any batch size does that is no other dimension's special case. */
const nominalBatch = 2;
export const imagesName = 'images';

export interface Merges {
  readonly program: Program;
  /** λ of each routed layer. */
  readonly routing: readonly Value[];
  /** By tensor name, the coefficients [G, K] of its task vectors; tensors stored as they are have none. */
  readonly coefficients: ReadonlyMap<string, Value>;
  /** Values that the images can change. */
  readonly dependent: ReadonlySet<Value>;
}

/** Where every weight of `model` comes from. */
export function traceMerges(model: MergedModel): Merges {
  const g = new Builder();
  const images = g.input(imagesName, imageShape(model.config, nominalBatch), { batch: true });
  const { features, routing } = model.encode(g, images, { reduction: 'per-sample', groups: 1 });
  const results = Object.fromEntries(routing.map((value, layer) => [`λ${String(layer)}`, value]));
  const program = g.build('trace', { features, ...results });

  const dependent = new Set<Value>([images]);
  for (const { inputs, output } of program.equations) {
    if (inputs.some((input) => dependent.has(input))) dependent.add(output);
  }
  const coefficients = new Map<string, Value>();
  for (const name of visionTensors(model.config).keys()) {
    const dictionary = program.parameters.find((p) => p.name === dictionaryName(name));
    if (dictionary === undefined) continue;
    const [product, ...others] = program.equations.filter(
      ({ op, inputs }) => op === 'matmul' && inputs[1] === dictionary.value,
    );
    const left = product?.inputs[0];
    if (left === undefined || others.length > 0) {
      throw new Error(`the task vectors of "${name}" are not merged by one matrix product`);
    }
    coefficients.set(name, left);
  }
  return { program, routing, coefficients, dependent };
}

/** Whether every image gets the same weights: a static merge, AdaMerging, or a router of depth 0. */
export function isFoldable({ coefficients, routing, dependent }: Merges): boolean {
  return [...coefficients.values(), ...routing].every((value) => !dependent.has(value));
}

/** Values of `program` that no image changes, computed with the definitions of the operations. */
export async function constantsOf(
  { program }: Merges,
  values: ReadonlyMap<string, Tensor>,
  wanted: ReadonlySet<Value>,
): Promise<ReadonlyMap<Value, Tensor>> {
  const order = [...wanted];
  const small = Builder.from(program).build(
    'coefficients',
    Object.fromEntries(order.map((value) => [String(value), value])),
  );
  const executable = await createReferenceEngine().compile(small, new Map());
  const results = await executable.run(Object.fromEntries(values));
  return new Map(order.map((value) => [value, required(results[String(value)])]));
}

/**
 * The ordinary encoder W = W0 + Σk λk τk, summed in float64 and rounded once. Exact for a static merge,
 * AdaMerging and WEMoE with routers of depth 0; deeper routers need `meanRouting` [layer][expert], the
 * routing weights averaged over images of the caller's choice, and give an approximation whose
 * accuracy is to be measured. Throws `export.routing_missing`.
 */
export async function foldStatic(
  model: MergedModel,
  values: ReadonlyMap<string, Tensor>,
  meanRouting?: readonly (readonly number[])[],
): Promise<VisionModel> {
  const merges = traceMerges(model);
  const { coefficients, dependent, routing } = merges;
  if (model.fold !== undefined) {
    const lambdas = meanRouting ?? (await constantRouting(merges, values));
    return { config: model.config, weights: model.fold(values, lambdas) };
  }
  const fixed = new Set([...coefficients.values()].filter((value) => !dependent.has(value)));
  const known = await constantsOf(merges, values, fixed);
  const weights = new Map<string, Tensor>();
  for (const name of visionTensors(model.config).keys()) {
    const origin = tensorNamed(model.constants, name);
    const by = coefficients.get(name);
    if (by === undefined) {
      weights.set(name, origin);
      continue;
    }
    const lambdas = known.get(by)?.data ?? meanRouting?.[routing.indexOf(by)];
    if (lambdas === undefined) throw routingMissing();
    const dictionary = tensorNamed(model.constants, dictionaryName(name));
    weights.set(name, { shape: origin.shape, data: addWeighted(origin, dictionary, lambdas) });
  }
  return { config: model.config, weights };
}

/** λ [expert] of each routed layer. */
async function constantRouting(
  merges: Merges,
  values: ReadonlyMap<string, Tensor>,
): Promise<Float32Array[]> {
  const { routing, dependent } = merges;
  if (routing.some((value) => dependent.has(value))) throw routingMissing();
  const known = await constantsOf(merges, values, new Set(routing));
  return routing.map((value) => required(known.get(value)).data);
}

function routingMissing(): AppError {
  return new AppError('export.routing_missing', {
    what: 'the routers of this model choose weights for every image, so it has no single weight set',
    hint: 'give the routing weights averaged over a set of images, or export the dynamic model',
  });
}

function addWeighted(
  origin: Tensor,
  dictionary: Tensor,
  lambdas: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const { data: values } = origin;
  const { data: rows } = dictionary;
  const size = values.length;
  if (lambdas.length * size !== rows.length) {
    throw new Error(`${lambdas.length} coefficients for task vectors [${dictionary.shape.join()}]`);
  }
  const result = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    let sum = values[i]!;
    for (let k = 0; k < lambdas.length; k++) sum += lambdas[k]! * rows[k * size + i]!;
    result[i] = sum;
  }
  return result;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a coefficient was not computed');
  return value;
}
