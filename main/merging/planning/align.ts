/** Which tensor of the result corresponds to which tensors of the models: by names alone. */
import type { Checkpoint } from '../../checkpoints/checkpoint.ts';
import { tiedNames } from '../../checkpoints/tied.ts';
import { finding, type Finding } from './findings.ts';
import { depthOf, layerLayout, type LayerLayout, type Stack } from './layers.ts';
import type { MergeRecipe, ModelPart, RecipeSlice } from './recipe.ts';

/** A tensor a model should have; whether it does is seen later. */
export interface ExpectedTensor {
  readonly model: string;
  readonly tensor: string;
}

export interface AlignedTensor {
  /** In the result. */
  readonly name: string;
  /** 0 for the first layer and outside of layers, 1 for the last layer of the slice. */
  readonly depth: number;
  readonly slice: RecipeSlice;
  readonly base: ExpectedTensor | undefined;
  readonly experts: readonly ExpectedTensor[];
}

export interface Alignment {
  /** In the order of the result. */
  readonly tensors: readonly AlignedTensor[];
  readonly layout: LayerLayout;
  /** Which layers of the first model the result's layers are, where layers were chosen. */
  readonly chosenLayers: readonly number[] | undefined;
  readonly findings: readonly Finding[];
}

/** Opened models by their references. */
export type Models = ReadonlyMap<string, Checkpoint>;

/** The model whose tensors and shapes the others are held against. */
export function referenceOf({ base, experts }: RecipeSlice): ModelPart {
  const part = base ?? experts[0];
  if (part === undefined) throw new Error('a slice without models');
  return part;
}

/** Aligns the models of a recipe, all of which are open. */
export function alignTensors(recipe: MergeRecipe, models: Models): Alignment {
  const [first] = recipe.slices;
  if (first === undefined) throw new Error('a recipe without slices');
  const layout = layerLayout(namesOf(models, referenceOf(first).model));
  const whole = recipe.slices.length === 1 && partsOf(first).every(({ layers }) => !layers);
  return whole ? alignWhole(first, models, layout) : alignSlices(recipe.slices, models, layout);
}

function partsOf({ base, experts }: RecipeSlice): readonly ModelPart[] {
  return base === undefined ? experts : [base, ...experts];
}

function namesOf(models: Models, model: string): readonly string[] {
  return [...(models.get(model)?.tensors.keys() ?? [])];
}

/** The reference's names, and those it ties to others that another model of the slice stores apart. */
function outputNames(slice: RecipeSlice, models: Models): readonly string[] {
  const reference = models.get(referenceOf(slice).model);
  if (reference === undefined) return [];
  const apart = [...tiedNames(reference).keys()].filter((name) =>
    partsOf(slice).some(({ model }) => models.get(model)?.tensors.has(name)),
  );
  return [...reference.tensors.keys(), ...apart];
}

function aligned(
  name: string,
  depth: number,
  slice: RecipeSlice,
  tensorOf: (part: ModelPart) => string,
): AlignedTensor {
  const expected = (part: ModelPart): ExpectedTensor => ({
    model: part.model,
    tensor: tensorOf(part),
  });
  return {
    name,
    depth,
    slice,
    base: slice.base && expected(slice.base),
    experts: slice.experts.map(expected),
  };
}

function alignWhole(slice: RecipeSlice, models: Models, layout: LayerLayout): Alignment {
  const tensors = outputNames(slice, models).map((name) => {
    const layer = layout.layerOf(name);
    const depth = layer === undefined ? 0 : depthOf(layer.index, layer.stack.layerCount);
    return aligned(name, depth, slice, () => name);
  });
  return { tensors, layout, chosenLayers: undefined, findings: [] };
}

/** Tensors before the layers are those of the first slice, tensors after them those of the last. */
function alignSlices(
  slices: readonly RecipeSlice[],
  models: Models,
  layout: LayerLayout,
): Alignment {
  const [stack, ...others] = layout.stacks;
  if (stack === undefined || others.length > 0) {
    const what =
      stack === undefined
        ? 'the names of the tensors show no numbered layers, so none can be chosen'
        : `the model has several stacks of layers (${layout.stacks.map(({ prefix }) => prefix).join(', ')}), so it is unclear which are meant; merge whole models instead`;
    return { tensors: [], layout, chosenLayers: [], findings: [finding('layers_unclear', what)] };
  }
  const findings: Finding[] = [];
  const tensors: AlignedTensor[] = [];
  const chosenLayers: number[] = [];
  const outside = (slice: RecipeSlice, after: boolean): void => {
    for (const name of outputNames(slice, models)) {
      if (layout.layerOf(name) !== undefined || layout.isAfter(name) !== after) continue;
      tensors.push(aligned(name, 0, slice, () => name));
    }
  };
  outside(slices[0]!, false);
  for (const slice of slices) {
    const range = layerRange(slice, models, findings);
    for (let offset = 0; offset < range.count; offset++) {
      const depth = depthOf(offset, range.count);
      const layer = (part: ModelPart): number => (part.layers?.[0] ?? 0) + offset;
      const reference = referenceOf(slice);
      for (const rest of layerNames(models, reference.model, stack, layer(reference))) {
        const name = `${stack.prefix}${chosenLayers.length}.${rest}`;
        tensors.push(
          aligned(name, depth, slice, (part) => `${stack.prefix}${layer(part)}.${rest}`),
        );
      }
      chosenLayers.push(layer(reference));
    }
  }
  outside(slices.at(-1)!, true);
  return { tensors, layout, chosenLayers, findings };
}

function layerNames(models: Models, model: string, stack: Stack, layer: number): readonly string[] {
  const start = `${stack.prefix}${layer}.`;
  return namesOf(models, model)
    .filter((name) => name.startsWith(start))
    .map((name) => name.slice(start.length));
}

/** How many layers a slice has; findings where its parts disagree or ask for layers there are not. */
function layerRange(slice: RecipeSlice, models: Models, findings: Finding[]): { count: number } {
  const ranges = partsOf(slice).map(({ model, layers }) => {
    const count = layerLayout(namesOf(models, model)).stacks[0]?.layerCount ?? 0;
    const [from, to] = layers ?? [0, count];
    if (from >= to || to > count) {
      const what = `layers ${from} to ${to} are asked of ${model}, which has ${count} (0 to ${count})`;
      findings.push(finding('layers_out_of_range', what));
    }
    return { model, count: to - from };
  });
  const [first] = ranges;
  const other = ranges.find(({ count }) => count !== first?.count);
  if (first !== undefined && other !== undefined) {
    const what = `a slice takes ${first.count} layers of ${first.model} but ${other.count} of ${other.model}; all parts of a slice need the same number`;
    findings.push(finding('layers_out_of_range', what));
  }
  return { count: findings.length > 0 ? 0 : (first?.count ?? 0) };
}
