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
  /** Expert predictions [T, B, C]: makes it a step of distillation. */
  readonly targets?: Tensor;
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
  targets,
}: StepCase): {
  program: Program;
  inputs: Record<string, Tensor>;
} {
  const tasks = heads.length;
  const objective = targets === undefined ? 'entropy' : 'distillation';
  const classes = classesOf(heads);
  const shape: StepShape = { tasks, batch, classes, reduction, objective, diversity };
  const { weights, mask } = stackHeads(heads, shape.classes);
  return {
    program: adaptationStep(model, shape),
    inputs: {
      images: images ?? randomImages(tasks * batch, model.config),
      heads: weights,
      mask,
      ...(targets === undefined ? {} : { targets }),
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
/** Probabilities [T, B, C] that are random and favour a class; 0 where a task has no such class. */
export function randomTargets(heads: readonly Head[], batch: number): Tensor {
  const shape = [heads.length, batch, classesOf(heads)];
  const classes = classesOf(heads);
  const { data: scores } = normalTensor(`targets ${shape.join()}`, shape, 2);
  const data = new Float32Array(scores.length);
  for (const [task, { weight }] of heads.entries()) {
    for (let i = 0; i < batch; i++) {
      const start = (task * batch + i) * classes;
      const powers = [...scores.subarray(start, start + weight.shape[0]!)].map(Math.exp);
      const total = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, c) => (data[start + c] = power / total));
    }
  }
  return { shape, data };
}

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
