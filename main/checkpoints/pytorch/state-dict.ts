/** Finds the weights in what a pickle holds: a state dict, or one wrapped in a training checkpoint. */
import { elementCount } from '../../lib/tensor.ts';
import { bitsPerElement } from '../dtype.ts';
import { checkpointError, shown } from '../fail.ts';
import { nameProblem } from '../header.ts';
import { storageBytes } from './storages.ts';
import { asKind, kindOf, type DictNode, type TensorNode, type Value } from './values.ts';

export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorNode>;
  /** Numbers and short texts that stand beside the weights, such as `epoch`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
  /** The keys that lead to the weights; empty for a plain state dict. */
  readonly wrappedIn: readonly string[];
}

/** Where training programs keep the weights, the most telling name first. */
const wrappers = [
  ...['state_dict', 'model_state_dict', 'model_state', 'model', 'module', 'net', 'network'],
  ...[
    'params',
    'weights',
    'params_ema',
    'ema_state_dict',
    'model_ema',
    'ema',
    'teacher',
    'student',
  ],
];
const MAX_WRAPPERS = 4;
const MAX_NAMES = 1_000_000;
const MAX_METADATA = 64;
const MAX_METADATA_TEXT = 200;
/**
 * Views can be larger than what they look at (a stride of 0 repeats). A real file stays far below; what
 * is above would only fill memory or the disk.
 */
const MAX_EXPANSION = 16;
const FREE_EXPANSION_BYTES = 256 * 1024 * 1024;

function tensorsIn(dict: DictNode): number {
  let count = 0;
  for (const value of dict.entries.values()) if (kindOf(value) === 'tensor') count++;
  return count;
}

function dictAt(dict: DictNode, key: string): DictNode | undefined {
  return asKind(dict.entries.get(key), 'dict');
}

/** The known wrapper of this dictionary that leads, over at most `levels` more, to most tensors. */
function wrapperOf(dict: DictNode, levels: number): string | undefined {
  const own = tensorsIn(dict);
  return wrappers.find((key) => {
    const inner = dictAt(dict, key);
    if (inner === undefined) return false;
    return tensorsIn(inner) > own || (levels > 0 && wrapperOf(inner, levels - 1) !== undefined);
  });
}

function logicalBytes({ shape, storage }: TensorNode): number {
  return (elementCount(shape) * bitsPerElement(storage.dtype)) / 8;
}

class StateDictFinder {
  readonly #file: string;
  readonly #tensors = new Map<string, TensorNode>();
  readonly #metadata = new Map<string, string>();
  readonly #warnings: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  find(root: Value): StateDict {
    const wrappedIn: string[] = [];
    let value = root;
    for (let dict = asKind(value, 'dict'); dict !== undefined; dict = asKind(value, 'dict')) {
      const key = wrappedIn.length < MAX_WRAPPERS ? wrapperOf(dict, MAX_WRAPPERS) : undefined;
      if (key === undefined) break;
      wrappedIn.push(key);
      this.#noteBeside(dict, key);
      value = dict.entries.get(key)!;
    }
    if (wrappedIn.length > 0) {
      this.#warnings.unshift(`The weights are those under "${wrappedIn.join('" → "')}".`);
    }
    const dict = asKind(value, 'dict');
    const single = asKind(value, 'tensor');
    if (single !== undefined) this.#add('tensor', single);
    else if (dict !== undefined) this.#collect(dict);
    if (this.#tensors.size === 0) this.#noTensors(value);
    this.#checkExpansion();
    const { tensors, metadata, warnings } = {
      tensors: this.#tensors,
      metadata: this.#metadata,
      warnings: this.#warnings,
    };
    return { tensors, metadata, warnings, wrappedIn };
  }

  #noTensors(value: Value): never {
    const keys = [...(asKind(value, 'dict')?.entries.keys() ?? [])].slice(0, 10);
    const holds =
      keys.length === 0 ? '' : ` with ${keys.map((key) => shown(describe(key))).join(', ')}`;
    throw checkpointError('checkpoint.no_tensors', {
      what: `it holds no state dict, but a ${kindOf(value)}${holds}`,
      file: this.#file,
      hint: 'choose the file with the weights of the model',
    });
  }

  /** Remembers what stands beside a wrapped state dict. */
  #noteBeside(dict: DictNode, taken: string): void {
    const left: string[] = [];
    for (const [key, value] of dict.entries) {
      if (typeof key !== 'string' || key === taken) continue;
      const kind = kindOf(value);
      const plain = value !== null && typeof value !== 'object';
      const text = plain ? String(value) : '';
      if (plain && text.length <= MAX_METADATA_TEXT && this.#metadata.size < MAX_METADATA) {
        this.#metadata.set(key, text);
      } else if (wrappers.includes(key) && kind === 'dict') left.push(`"${key}"`);
    }
    if (left.length > 0) this.#warnings.push(`Other weights are left out: ${left.join(', ')}.`);
  }

  /** The tensors of a dictionary; where it has none itself, those of its dictionaries, as `key.name`. */
  #collect(dict: DictNode): void {
    const flat = tensorsIn(dict) > 0;
    const skipped: Value[] = [];
    for (const [key, value] of dict.entries) {
      const tensor = asKind(value, 'tensor');
      const inner = flat ? undefined : asKind(value, 'dict');
      if (tensor !== undefined) this.#add(key, tensor);
      else if (inner === undefined || tensorsIn(inner) === 0) skipped.push(key);
      else
        for (const [name, part] of inner.entries) {
          const found = asKind(part, 'tensor');
          if (found !== undefined) this.#add(`${describe(key)}.${describe(name)}`, found);
        }
    }
    if (skipped.length === 0) return;
    const verb =
      skipped.length === 1 ? 'entry that is no tensor was' : 'entries that are no tensors were';
    this.#warnings.push(
      `${skipped.length} ${verb} left out ("${shown(describe(skipped[0]!))}" first).`,
    );
  }

  #add(key: Value, tensor: TensorNode): void {
    const fail = (
      code: 'name_invalid' | 'duplicate_tensor' | 'pickle_limit',
      what: string,
    ): never => {
      const hint = 'rename the tensor and save the file again';
      throw checkpointError(`checkpoint.${code}`, {
        what,
        file: this.#file,
        tensor: describe(key),
        hint,
      });
    };
    if (typeof key !== 'string')
      return fail('name_invalid', `a tensor is named by a ${kindOf(key)}`);
    const problem = nameProblem(key);
    if (problem !== undefined) fail('name_invalid', `the tensor name is not accepted: ${problem}`);
    if (this.#tensors.has(key)) fail('duplicate_tensor', 'two tensors have this name');
    if (this.#tensors.size >= MAX_NAMES) fail('pickle_limit', `more than ${MAX_NAMES} tensors`);
    this.#tensors.set(key, tensor);
  }

  #checkExpansion(): void {
    let logical = 0;
    const storages = new Set([...this.#tensors.values()].map(({ storage }) => storage));
    const stored = [...storages].reduce((sum, storage) => sum + storageBytes(storage), 0);
    for (const [name, tensor] of this.#tensors) {
      logical += logicalBytes(tensor);
      if (logical <= stored * MAX_EXPANSION + FREE_EXPANSION_BYTES) continue;
      throw checkpointError('checkpoint.pickle_limit', {
        what: `its tensors would take ${logical} bytes or more, but it stores ${stored}`,
        file: this.#file,
        tensor: name,
        hint: 'do not use this file; ask its author for plain, contiguous tensors',
      });
    }
  }
}

function describe(key: Value): string {
  if (typeof key === 'object') return `(${kindOf(key)})`;
  return String(key);
}

/** The weights in the value of a pickle. `file` is named in errors. Throws an AppError `checkpoint.*`. */
export function findStateDict(root: Value, file: string): StateDict {
  return new StateDictFinder(file).find(root);
}
