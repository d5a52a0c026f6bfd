/** Collects where tensors of the models do not fit each other, and puts it into findings. */
import type { TensorInfo } from '../../checkpoints/checkpoint.ts';
import { finding, type Finding } from './findings.ts';

type Pair<T> = readonly [reference: T, other: T];

interface Difference {
  readonly models: Pair<string>;
  readonly infos: Pair<TensorInfo>;
  readonly tensors: string[];
}

export class Mismatches {
  readonly #missing = new Map<string, string[]>();
  readonly #unmergeable = new Map<string, { dtype: string; tensors: string[] }>();
  readonly #shapes = new Map<string, Difference>();
  readonly #vocabularies = new Map<string, Difference>();
  readonly #tied = new Map<string, string>();

  missing(model: string, tensor: string): void {
    append(this.#missing, model, tensor);
  }

  unmergeable(model: string, { name, dtype }: TensorInfo): void {
    const row = this.#unmergeable.get(`${model} ${dtype}`) ?? { dtype, tensors: [] };
    row.tensors.push(name);
    this.#unmergeable.set(`${model} ${dtype}`, row);
  }

  shape(tensor: string, models: Pair<string>, infos: Pair<TensorInfo>): void {
    addDifference(this.#shapes, tensor, models, infos);
  }

  vocabulary(tensor: string, models: Pair<string>, infos: Pair<TensorInfo>): void {
    addDifference(this.#vocabularies, tensor, models, infos);
  }

  tied(model: string, head: string): void {
    this.#tied.set(model, head);
  }

  /** Heads that stand apart in the result although a model ties them to its embeddings. */
  get untiedHeads(): ReadonlySet<string> {
    return new Set(this.#tied.values());
  }

  /** `intersection`: whether it is among the recipe's fixes, so that nothing of this stops the merge. */
  findings(intersection: boolean, renameOf: (model: string) => string | undefined): Finding[] {
    const fix = intersection ? undefined : 'intersection';
    const outcome = intersection ? '; they are copied from the base' : '';
    const found: Finding[] = [];
    for (const [model, tensors] of this.#missing) {
      const what = `${model} lacks ${count(tensors)} of the first model${outcome}`;
      found.push(finding('missing_tensors', what, { tensors, fix: renameOf(model) ?? fix }));
    }
    for (const [key, { dtype, tensors }] of this.#unmergeable) {
      const model = key.slice(0, -dtype.length - 1);
      const what = `${model} has ${count(tensors)} of type ${dtype}, which no method can average${outcome}`;
      found.push(finding('dtype_unsupported', what, { tensors, fix }));
    }
    for (const { models, infos, tensors } of this.#shapes.values()) {
      const what = `${models[1]} has ${count(tensors)} of another shape than ${models[0]}: ${shapes(infos)}${outcome}`;
      found.push(finding('shape_mismatch', what, { tensors, fix }));
    }
    for (const { models, infos, tensors } of this.#vocabularies.values()) {
      const rows = infos.map(({ shape }) => shape[0] ?? 0);
      const what = `${models[1]} has ${rows[1]} rows of tokens, ${models[0]} has ${rows[0]}${outcome}`;
      const choice = intersection ? undefined : 'embeddings=crop';
      found.push(finding('vocabulary', what, { tensors, fix: choice }));
    }
    for (const [model, head] of this.#tied) {
      const what = `${model} uses its embeddings as "${head}", others have one of their own; the embeddings stand for it, and the result has its own`;
      found.push(finding('tied_head', what, { tensors: [head] }));
    }
    // What a fix takes care of is still worth seeing.
    return intersection ? found.map((row) => softened(row)) : found;
  }
}

function softened(row: Finding): Finding {
  return row.severity === 'error' ? { ...row, severity: 'warning' } : row;
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function addDifference(
  differences: Map<string, Difference>,
  tensor: string,
  models: Pair<string>,
  infos: Pair<TensorInfo>,
): void {
  const known = differences.get(models[1]);
  if (known === undefined) differences.set(models[1], { models, infos, tensors: [tensor] });
  else known.tensors.push(tensor);
}

function count(tensors: readonly string[]): string {
  return tensors.length === 1 ? '1 tensor' : `${tensors.length} tensors`;
}

function shapes([a, b]: Pair<TensorInfo>): string {
  return `[${b.shape.join(', ')}] instead of [${a.shape.join(', ')}]`;
}
