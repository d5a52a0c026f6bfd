/** What a pickle of weights can consist of: a few closed kinds of plain data. Nothing here has behaviour. */
import type { DType } from '../dtype.ts';

export interface SequenceNode {
  readonly kind: 'list' | 'tuple' | 'set';
  readonly items: Value[];
}

export interface DictNode {
  readonly kind: 'dict';
  /** A Map, so that a key `__proto__` is a key like any other. In the order of the file. */
  readonly entries: Map<Value, Value>;
}

/** A run of elements in the file that tensors look at. One node for each key. */
export interface StorageNode {
  readonly kind: 'storage';
  readonly key: string;
  readonly dtype: DType;
  /** Number of elements. */
  readonly count: number;
}

/** A view of a storage: offset and strides in elements, checked to stay inside it. */
export interface TensorNode {
  readonly kind: 'tensor';
  readonly storage: StorageNode;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** An nn.Parameter. */
  readonly parameter: boolean;
}

/** A name of the allow-list, not yet called. */
export interface GlobalNode {
  readonly kind: 'global';
  readonly name: string;
}

/** A value that stands beside weights and is of no use here: a device, a dtype, bytes. */
interface OpaqueNode {
  readonly kind: 'opaque';
  readonly name: string;
}

interface NodeOf {
  readonly list: SequenceNode;
  readonly tuple: SequenceNode;
  readonly set: SequenceNode;
  readonly dict: DictNode;
  readonly storage: StorageNode;
  readonly tensor: TensorNode;
  readonly global: GlobalNode;
  readonly opaque: OpaqueNode;
}

type NodeKind = keyof NodeOf;

export type Value = null | boolean | number | bigint | string | NodeOf[NodeKind];

/** The kind of a value, in a person's words. */
export function kindOf(value: Value): NodeKind | 'nothing' | 'boolean' | 'number' | 'text' {
  if (value === null) return 'nothing';
  if (typeof value === 'object') return value.kind;
  if (typeof value === 'bigint' || typeof value === 'number') return 'number';
  return typeof value === 'string' ? 'text' : 'boolean';
}

/** The value as a node of one kind; undefined when it is of another. */
export function asKind<K extends NodeKind>(
  value: Value | undefined,
  kind: K,
): NodeOf[K] | undefined {
  const matches = typeof value === 'object' && value?.kind === kind;
  return matches ? (value as NodeOf[K]) : undefined;
}
