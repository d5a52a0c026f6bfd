/** Storages: the persistent ids of a PyTorch pickle, checked, one node for each key. */
import { bitsPerElement } from '../dtype.ts';
import { shown } from '../fail.ts';
import { ValueFault } from './fault.ts';
import { storageDType } from './globals.ts';
import { asKind, kindOf, type SequenceNode, type StorageNode } from './values.ts';

function invalid(problem: string): never {
  throw new ValueFault('storage_invalid', problem);
}

/** Bytes the elements of a storage take. */
export function storageBytes({ count, dtype }: StorageNode): number {
  return (count * bitsPerElement(dtype)) / 8;
}

/** The storages a pickle has named so far. `check` refuses one the file does not hold. */
export class Storages {
  readonly byKey = new Map<string, StorageNode>();
  readonly #check: (storage: StorageNode) => void;

  constructor(check: (storage: StorageNode) => void) {
    this.#check = check;
  }

  /**
   * ('storage', class, key, location, count[, view]) as a node. The location (a device) means nothing
   * here; a view (the sixth field of files before 2017) is refused. Throws ValueFault.
   */
  of(id: SequenceNode): StorageNode {
    const [tag, storageClass, key, location, count, view] = id.items;
    if (tag !== 'storage' || id.items.length < 5 || id.items.length > 6) {
      invalid('a storage is not named by ("storage", class, key, location, count)');
    }
    const className = asKind(storageClass, 'global')?.name;
    const dtype = className === undefined ? undefined : storageDType(className);
    if (dtype === undefined) {
      invalid(`the storage class ${className ?? kindOf(storageClass ?? null)} is not known`);
    }
    if (typeof key !== 'string' || typeof location !== 'string') {
      return invalid('the key or the location of a storage is no text');
    }
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) {
      return invalid(`the storage "${shown(key)}" claims no plain number of elements`);
    }
    if (view !== undefined && view !== null) invalid('a storage is a part of another storage');
    const known = this.byKey.get(key);
    if (known === undefined) {
      const storage: StorageNode = { kind: 'storage', key, dtype, count };
      this.#check(storage);
      this.byKey.set(key, storage);
      return storage;
    }
    if (known.dtype !== dtype || known.count !== count) {
      invalid(`the storage "${shown(key)}" is described in two ways`);
    }
    return known;
  }
}
