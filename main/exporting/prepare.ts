/** An export source brought into the form that the formats write. */
import type { Tensor } from '../lib/tensor.ts';
import { staticModel, type MergedModel } from '../models/merged-model.ts';
import type { VisionModel } from '../models/vision-model.ts';
import { constantsOf, foldStatic, isFoldable, traceMerges } from './fold.ts';
import type { ExportSource } from './source.ts';

export interface Prepared {
  readonly source: ExportSource;
  /** `dynamic`: the model has routing weights to show; with routers of depth 0 they are constants. */
  readonly kind: 'static' | 'dynamic';
  /** The ordinary encoder, when all images share one weight set. */
  readonly folded: VisionModel | undefined;
  /** λ [layers, K] when the model has routing weights that no image changes. */
  readonly constantRouting: Tensor | undefined;
  readonly layers: number;
  readonly experts: number;
}

export async function prepare(source: ExportSource): Promise<Prepared> {
  const { model, values } = source;
  const merges = traceMerges(model);
  const { routing } = merges;
  const experts = routing[0] === undefined ? 0 : (merges.program.shapes[routing[0]]?.at(-1) ?? 0);
  const base = { source, layers: routing.length, experts };
  if (!isFoldable(merges)) {
    return { ...base, kind: 'dynamic', folded: undefined, constantRouting: undefined };
  }
  const folded = await foldStatic(model, values);
  if (routing.length === 0) {
    return { ...base, kind: 'static', folded, constantRouting: undefined };
  }
  const lambdas = await constantsOf(merges, values, new Set(routing));
  const data = new Float32Array(routing.length * experts);
  routing.forEach((value, layer) => {
    data.set(lambdas.get(value)?.data ?? [], layer * experts);
  });
  const constantRouting = { shape: [routing.length, experts], data };
  return { ...base, kind: 'dynamic', folded, constantRouting };
}

/** What an inference program is built from: routers that no image changes are folded away. */
export function inferenceModel({ source, folded }: Prepared): {
  readonly model: MergedModel;
  readonly values: ReadonlyMap<string, Tensor>;
} {
  if (folded === undefined) return source;
  const { byTask } = source.model;
  if (byTask === undefined) return { model: staticModel(folded), values: new Map() };
  return { model: { ...staticModel(folded), byTask }, values: source.values };
}
