/** One adaptation step of a tiny model on random images, outside of the loop. */
import { adaptationStep, type StepShape } from '../../main/adaptation/objective.ts';
import type { Engine } from '../../main/engine/engine.ts';
import { createOnnxEngine } from '../../main/engine/onnx/engine.ts';
import { compileEncoder } from '../../main/evaluation/evaluate.ts';
import { Builder } from '../../main/graph/builder.ts';
import type { Program } from '../../main/graph/program.ts';
import type { Tensor, TensorMap } from '../../main/lib/tensor.ts';
import { stackHeads, type Head } from '../../main/models/head.ts';
import { initialValues, type MergedModel, type Reduction } from '../../main/models/merged-model.ts';
import { normalTensor, randomImages } from './tiny-models.ts';

export const onnx = createOnnxEngine({ threads: 1 });

export interface StepCase {
  readonly model: MergedModel;
  readonly heads: readonly Head[];
  /** Images of each task. */
  readonly batch: number;
  readonly reduction: Reduction;
  readonly values: ReadonlyMap<string, Tensor>;
  readonly images?: Tensor;
  readonly diversity?: number;
}

function classesOf(heads: readonly Head[]): number {
  return Math.max(...heads.map(({ weight }) => weight.shape[0]!));
}

/** The program of a step and everything it takes. */
export function stepOf({
  model,
  heads,
  batch,
  reduction,
  values,
  images,
  diversity = 0,
}: StepCase): {
  program: Program;
  inputs: Record<string, Tensor>;
} {
  const tasks = heads.length;
  const shape: StepShape = { tasks, batch, classes: classesOf(heads), reduction, diversity };
  const { weights, mask } = stackHeads(heads, shape.classes);
  return {
    program: adaptationStep(model, shape),
    inputs: {
      images: images ?? randomImages(tasks * batch, model.config),
      heads: weights,
      mask,
      ...Object.fromEntries(values),
    },
  };
}

export async function runStep(
  step: StepCase,
  engine: Engine = onnx,
): Promise<Readonly<Record<string, Tensor>>> {
  const { program, inputs } = stepOf(step);
  const executable = await engine.compile(program, step.model.constants);
  const results = await executable.run(inputs);
  await executable.dispose();
  return results;
}

/** A program with one of its results only: what does not lead there is left out. */
export function only(program: Program, result: string): Program {
  const { value } = program.results.find(({ name }) => name === result)!;
  return Builder.from(program).build(result, { [result]: value });
}

/** Features and routing weights of images. */
export async function encode(
  model: MergedModel,
  values: ReadonlyMap<string, Tensor>,
  images: Tensor,
  reduction: Reduction = 'per-sample',
): Promise<{ features: Tensor; routing: readonly Tensor[] }> {
  const encoder = await compileEncoder(onnx, model, values, { batch: images.shape[0]!, reduction });
  const result = await encoder.encode(images);
  await encoder.dispose();
  return result;
}

/** Values as after some training, away from where they start. */
export function moved(model: MergedModel, deviation: number): Map<string, Tensor> {
  const values = initialValues(model);
  for (const [name, { shape, data }] of values) {
    const change = normalTensor(`moved ${name}`, shape, deviation).data;
    values.set(name, { shape, data: data.map((x, i) => x + change[i]!) });
  }
  return values;
}

/** θ0 + Σk λk (θk − θ0) of one tensor in float64. */
export function mergeExplicitly(
  base: TensorMap,
  experts: readonly TensorMap[],
  name: string,
  lambdas: ArrayLike<number>,
): Tensor {
  const { shape, data } = base.get(name)!;
  return {
    shape,
    data: data.map((origin, i) =>
      experts.reduce((sum, e, k) => sum + lambdas[k]! * (e.get(name)!.data[i]! - origin), origin),
    ),
  };
}
