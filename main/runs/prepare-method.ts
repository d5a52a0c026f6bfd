/** The model of a recipe's method, before any adaptation of its own. */
import type { ExpertSet } from '../adaptation/dictionary.ts';
import type { AdaptationSettings } from '../adaptation/method.ts';
import type { Engine } from '../engine/engine.ts';
import { foldStatic } from '../exporting/fold.ts';
import type { Storage } from '../engine/engine.ts';
import { breather } from '../lib/breath.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import { resolveParameters } from '../lib/parameters.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import { mergeToMemory } from '../merging/executor.ts';
import type { ParameterReport } from '../merging/settings.ts';
import { staticModel, type MergedModel } from '../models/merged-model.ts';
import { parameterCount } from '../models/vit.ts';
import { allParameters, catalogueEntry, goesOn, mergeBefore } from './catalogue.ts';
import type { RunInputs } from './inputs.ts';
import type { Recipe, RecipeMethod } from './recipe.ts';
import { seenPart } from './seen.ts';
import { stored, storedModel, storageOf } from './storage.ts';

/** A model to evaluate, with what it was made from. */
export interface PreparedMethod {
  readonly entry: RecipeMethod;
  readonly parameters: ParameterReport;
  readonly model: MergedModel;
  readonly settings: AdaptationSettings | undefined;
  /** Numbers of the model; see the report. */
  readonly modelParameters: number;
}

/** What the trainables of the merge with this id have learned. */
export type Learned = (id: string, model: MergedModel) => ReadonlyMap<string, Tensor>;

export interface PrepareContext {
  readonly recipe: Recipe;
  readonly inputs: RunInputs;
  readonly engine: Engine;
  readonly signal: AbortSignal | undefined;
  /** Of the methods before this one. */
  readonly learned: Learned;
  onProgress?(progress: PrepareProgress): void;
}

interface PrepareProgress {
  readonly phase: 'merging';
  readonly done: number;
  readonly total: number;
  readonly unit: 'tensors' | 'images';
}

/** The model of a recipe's method before any adaptation, kept as the recipe says; undefined for the individual models. */
export async function prepareMethod(
  entry: RecipeMethod,
  context: PrepareContext,
): Promise<PreparedMethod | undefined> {
  const prepared = await prepare(entry, context);
  return prepared && { ...prepared, model: storedModel(storageOf(context.recipe), prepared.model) };
}

async function prepare(
  entry: RecipeMethod,
  context: PrepareContext,
): Promise<PreparedMethod | undefined> {
  const { recipe, inputs, signal } = seenPart(context);
  const found = catalogueEntry(entry.method);
  const where = `method "${entry.id}" of recipe "${recipe.name}"`;
  const parameters = allParameters(found, entry.parameters, recipe.tasks.length, where);
  switch (found.kind) {
    case 'reference':
      if (found.method.id === 'individual') return undefined;
      return ordinary(entry, parameters, staticModel(inputs.base));
    case 'static': {
      const weights = await mergeToMemory({
        method: found.method,
        parameters: entry.parameters,
        seed: recipe.seed,
        base: inputs.baseCheckpoint,
        experts: inputs.expertCheckpoints,
        signal,
        onProgress: ({ index, total }) =>
          context.onProgress?.({ phase: 'merging', done: index, total, unit: 'tensors' }),
      });
      const model = staticModel({ config: inputs.base.config, weights });
      return ordinary(entry, parameters, model);
    }
    case 'statistics': {
      const values = resolveParameters(found.method, entry.parameters, where);
      const weights = await found.method.merge(values, {
        engine: context.engine,
        set: expertSet(inputs),
        // Labels stay behind here: statistics are handed images and heads only.
        tasks: inputs.tasks.map(({ unlabelled: images, head }) => ({ images, head })),
        seed: recipe.seed,
        signal,
        onProgress: (done, total) =>
          context.onProgress?.({ phase: 'merging', done, total, unit: 'images' }),
      });
      const model = staticModel({ config: inputs.base.config, weights });
      return ordinary(entry, parameters, model);
    }
    case 'adaptive': {
      const before = goesOn(entry) ? await weightsBefore(entry, context, where) : undefined;
      const set: ExpertSet = { ...expertSet(inputs), ...(before && { merged: before.weights }) };
      const values = resolveParameters(found.method, entry.parameters, where);
      const constants = await gather(
        found.method.constants(set, values),
        storageOf(recipe),
        signal,
      );
      // Which merge it went on from is said even where the recipe leaves it to the order.
      const of = before && { of: before.id };
      return {
        entry: { ...entry, parameters: { ...entry.parameters, ...of } },
        parameters: { ...parameters, ...of },
        model: found.method.create(set, values, recipe.seed, constants),
        settings: found.method.settings(values),
        modelParameters: found.method.sizes(set.config, set.experts.length, values).total,
      };
    }
  }
}

/** The merge that a method goes on from, with what it learned, as one set of weights. */
async function weightsBefore(
  entry: RecipeMethod,
  context: PrepareContext,
  where: string,
): Promise<{ readonly id: string; readonly weights: TensorMap }> {
  const { methods } = context.recipe;
  const source = mergeBefore(
    methods,
    methods.findIndex(({ id }) => id === entry.id),
    where,
  );
  const prepared = await prepareMethod(source, context);
  if (prepared === undefined) throw new Error(`method ${source.id} has no model`);
  const { model } = prepared;
  const values =
    model.trainables.length === 0 ? new Map<string, Tensor>() : context.learned(source.id, model);
  return { id: source.id, weights: (await foldStatic(model, values)).weights };
}

/** A model of one weight set, that learned nothing here. */
function ordinary(
  entry: RecipeMethod,
  parameters: ParameterReport,
  model: MergedModel,
): PreparedMethod {
  const modelParameters = parameterCount(model.config);
  return { entry, parameters, model, settings: undefined, modelParameters };
}

/**
 * Computes tensors one after another, each kept before the next one is made; the process answers others in between.
 * Throws CancelledError and `tensor.exceeds_half`.
 */
async function gather(
  tensors:
    | Iterable<readonly [name: string, tensor: Tensor]>
    | AsyncIterable<readonly [name: string, tensor: Tensor]>,
  storage: Storage,
  signal: AbortSignal | undefined,
): Promise<TensorMap> {
  const gathered = new Map<string, Tensor>();
  const breathe = breather();
  for await (const [name, tensor] of tensors) {
    gathered.set(name, stored(storage, name, tensor));
    await breathe();
    throwIfCancelled(signal);
  }
  return gathered;
}

function expertSet({ base, experts }: RunInputs): ExpertSet {
  return {
    config: base.config,
    base: base.weights,
    experts: experts.map(({ weights }) => weights),
  };
}

