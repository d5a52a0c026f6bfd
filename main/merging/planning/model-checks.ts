/** What can be said of the models as wholes, from headers and small files beside them. */
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import type { Method } from '../method.ts';
import { referenceOf } from './align.ts';
import { finding, type Finding } from './findings.ts';
import { modelsOf } from './open-models.ts';
import type { MergeRecipe } from './recipe.ts';
import { vocabularyKey } from './tokenizers.ts';

type Models = ReadonlyMap<string, StoredCheckpoint>;

/** Checks the recipe against what its method needs, before anything is opened. */
export function checkInputs(recipe: MergeRecipe, method: Method): Finding[] {
  const found: Finding[] = [];
  const { base, experts } = method.inputs;
  for (const slice of recipe.slices) {
    const count = slice.experts.length;
    const max = experts.max ?? Infinity;
    if (base === 'required' && slice.base === undefined) {
      const candidate = slice.experts[0]?.model ?? 'PATH';
      const what = `method "${method.id}" needs the model that the others were fine-tuned from`;
      found.push(finding('base_missing', what, { fix: `base=${candidate}` }));
    } else if (count < experts.min || count > max) {
      const range =
        max === Infinity
          ? `at least ${experts.min}`
          : experts.min === max
            ? `exactly ${max}`
            : `${experts.min} to ${max}`;
      const beside = slice.base === undefined ? '' : ' beside the base';
      const what = `method "${method.id}" merges ${range} ${max === 1 ? 'model' : 'models'}${beside}; ${count} are given`;
      found.push(finding('expert_count', what));
    }
    for (const repeated of repeats(slice)) {
      found.push(finding('same_model', `${repeated} is given more than once`));
    }
  }
  return found;
}

function repeats({ base, experts }: MergeRecipe['slices'][number]): readonly string[] {
  const parts = (base === undefined ? experts : [base, ...experts]).map(
    ({ model, layers }) => `${model}${layers === undefined ? '' : ` [${layers.join(', ')}]`}`,
  );
  return [...new Set(parts.filter((part, index) => parts.indexOf(part) < index))];
}

/** Configuration that must agree for tensors of equal shape to mean the same. */
const meaningfulKeys = [
  'model_type',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'hidden_act',
  'rope_theta',
  'rope_scaling',
  'sliding_window',
  'rms_norm_eps',
  'layer_norm_eps',
] as const;

/** Checks the opened models against each other. */
export function checkModels(recipe: MergeRecipe, models: Models): Finding[] {
  const found: Finding[] = [];
  const whole = recipe.slices.length === 1;
  const first = recipe.slices[0] && referenceOf(recipe.slices[0]).model;
  const reference = models.get(first ?? '');
  for (const [model, checkpoint] of models) {
    if (reference === undefined || checkpoint === reference) continue;
    const differences = meaningfulKeys
      .filter((key) => whole || key !== 'num_hidden_layers')
      .flatMap((key) => difference(key, reference.config, checkpoint.config));
    if (differences.length === 0) continue;
    const what = `config.json of ${model} differs from that of ${first ?? ''}: ${differences.join(', ')}`;
    found.push(finding('architecture', what));
  }
  return [...found, ...checkPrecision(models), ...checkTokenizers(recipe)];
}

function difference(key: string, a: unknown, b: unknown): readonly string[] {
  const [left, right] = [a, b].map((config) =>
    typeof config === 'object' && config !== null
      ? (config as Record<string, unknown>)[key]
      : undefined,
  );
  // What only one of two versions of a file says is no contradiction.
  if (left === undefined || right === undefined) return [];
  const [text, other] = [JSON.stringify(left), JSON.stringify(right)];
  return text === other ? [] : [`${key} ${other} instead of ${text}`];
}

function checkPrecision(models: Models): Finding[] {
  const list = [...models].map(([model, { tensors }]) => {
    const names = [...new Set([...tensors.values()].map(({ dtype }) => dtype))].sort();
    return { model, dtypes: names.join('+') };
  });
  if (new Set(list.map(({ dtypes }) => dtypes)).size < 2) return [];
  const text = list.map(({ model, dtypes }) => `${model}: ${dtypes}`).join('; ');
  const what = `${text}; the arithmetic is exact all the same, and the result is as the first model unless "cast" says otherwise`;
  return [finding('mixed_dtypes', what)];
}

function checkTokenizers(recipe: MergeRecipe): Finding[] {
  const keys = modelsOf(recipe).flatMap((model) => {
    const key = vocabularyKey(model);
    return key === undefined ? [] : [{ model, key }];
  });
  const [first] = keys;
  const others = keys.filter(({ key }) => key !== first?.key).map(({ model }) => model);
  if (first === undefined || others.length === 0) return [];
  const what = `${others.join(', ')} and ${first.model} have different vocabularies, so the same row of the embeddings may mean different tokens`;
  return [finding('tokenizers_differ', what)];
}
