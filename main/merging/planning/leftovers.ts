/** Tensors of the models that the result has no place for, and names that look like others. */
import type { Checkpoint } from '../../checkpoints/checkpoint.ts';
import type { Alignment } from './align.ts';
import { finding, type Finding } from './findings.ts';

type Models = ReadonlyMap<string, Checkpoint>;

/** Tensors that only other models than the first have. Where layers are chosen, leaving out is asked for. */
export function leftOut({ tensors, chosenLayers }: Alignment, models: Models): Finding[] {
  if (chosenLayers !== undefined) return [];
  const names = new Set(tensors.map(({ name }) => name));
  return [...models].flatMap(([model, checkpoint]) => {
    const extra = [...checkpoint.tensors.keys()].filter((name) => !names.has(name));
    if (extra.length === 0) return [];
    const what = `${model} has ${extra.length} tensors that the first model lacks; they are left out`;
    return [finding('extra_tensors', what, { tensors: extra })];
  });
}

/** The share of missing names that a rule must explain to be suggested. */
const convincing = 0.9;

/** A rename rule under which a model would have (nearly) all tensors it lacks. */
export function suggestRename(
  model: string,
  { tensors }: Alignment,
  models: Models,
): string | undefined {
  const own = models.get(model)?.tensors;
  if (own === undefined) return undefined;
  const missing = tensors.map(({ name }) => name).filter((name) => !own.has(name));
  for (const [from, to] of prefixPairs(missing[0] ?? '', [...own.keys()])) {
    const explained = missing.filter(
      (name) => name.startsWith(to) && own.has(from + name.slice(to.length)),
    );
    if (explained.length >= convincing * missing.length) return `rename=${from}:${to}`;
  }
  return undefined;
}

/** Endings that more names share than this say nothing about the beginning. */
const fewNames = 4;

/** Beginnings of names that make a name the model has of one that it lacks. */
function* prefixPairs(
  missing: string,
  names: readonly string[],
): Generator<readonly [from: string, to: string]> {
  const parts = missing.split('.');
  for (let cut = 0; cut < parts.length - 1; cut++) {
    const end = parts.slice(cut).join('.');
    const to = missing.slice(0, missing.length - end.length);
    const alike = names.filter((name) => name.endsWith(end));
    if (alike.length > fewNames) return;
    for (const name of alike) {
      const from = name.slice(0, name.length - end.length);
      if (from === '' || from.endsWith('.')) yield [from, to];
    }
  }
}
