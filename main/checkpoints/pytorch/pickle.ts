/**
 * Runs a pickle of weights as data: a stack machine over a few instructions that can only ever build the
 * closed kinds of `values.ts`. Iterative, with limits checked before anything grows. The value is handed
 * out only after STOP and all checks. Format: CPython's pickletools; limits: those no real model meets.
 */
import { checkpointError, DAMAGED, shown } from '../fail.ts';
import { ValueFault } from './fault.ts';
import { buildGlobal, globalAdvice, isAllowedGlobal, setEntry } from './globals.ts';
import { opcodeOf, PickleCursor, PickleFault, type WeightsOpcode } from './opcodes.ts';
import { asKind, kindOf, type SequenceNode, type StorageNode, type Value } from './values.ts';

export const MAX_PICKLE_BYTES = 64 * 1024 * 1024;
const MAX_OPCODES = 5_000_000;
const MAX_MEMO = 1_000_000;
const MAX_STACK = 100_000;
const MAX_DEPTH = 100;
/** The protocol torch.save writes. */
const PROTOCOL = 2;

const RESAVE =
  'in Python, load it where you trust it and save its state_dict with torch.save again';

export interface PickleSource {
  /** Named in errors. */
  readonly file: string;
  /** Turns a persistent id into a storage of the file; throws ValueFault. */
  readonly storageOf: (id: SequenceNode) => StorageNode;
}

/** The bytes ended before the pickle did; more bytes might complete it. */
export class PickleEnded extends Error {}

function invalid(problem: string): never {
  throw new PickleFault('pickle_invalid', problem);
}

class PickleMachine {
  readonly #source: PickleSource;
  readonly #stack: Value[] = [];
  /** Stack heights at the open marks. */
  readonly #marks: number[] = [];
  readonly #memo: Value[] = [];

  constructor(source: PickleSource) {
    this.#source = source;
  }

  push(value: Value): void {
    if (this.#stack.length >= MAX_STACK) {
      throw new PickleFault('pickle_limit', `more than ${MAX_STACK} values wait at a time`);
    }
    this.#stack.push(value);
  }

  pop(): Value {
    const floor = this.#marks.at(-1) ?? 0;
    if (this.#stack.length <= floor) invalid('it takes a value where none is left');
    return this.#stack.pop()!;
  }

  top(): Value {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  mark(): void {
    if (this.#marks.length >= MAX_STACK) throw new PickleFault('pickle_limit', 'too many marks');
    this.#marks.push(this.#stack.length);
  }

  popMark(): Value[] {
    const mark = this.#marks.pop() ?? invalid('it closes a group that was never opened');
    return this.#stack.splice(mark);
  }

  /** Writers number what they remember from 0 without gaps. */
  remember(index: number): void {
    if (index >= MAX_MEMO) throw new PickleFault('pickle_limit', `memo index ${index}`);
    if (index !== this.#memo.length) invalid(`it numbers a value ${index} out of turn`);
    this.#memo.push(this.top());
  }

  recall(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) invalid(`it refers to value ${index}, which it never numbered`);
    this.push(value);
  }

  global(name: string): void {
    if (!isAllowedGlobal(name)) {
      const dotted = shown(name.replace(' ', '.'));
      const problem = `it needs ${dotted}, which plain weights never do; no code of a model file is run`;
      throw new ValueFault('pickle_global', problem, globalAdvice(name));
    }
    this.push({ kind: 'global', name });
  }

  call(what: string): void {
    const args = asKind(this.pop(), 'tuple')?.items;
    const callee = this.pop();
    const name = asKind(callee, 'global')?.name;
    if (name === undefined || args === undefined) {
      throw new ValueFault('pickle_value', `${what} of a ${kindOf(callee)}`);
    }
    const result = buildGlobal(name, args);
    if (result === undefined) {
      throw new ValueFault('pickle_value', `${what} of ${name.replace(' ', '.')}, which is data`);
    }
    this.push(result);
  }

  append(values: readonly Value[]): void {
    const target = this.top();
    const items = asKind(target, 'list')?.items;
    if (items === undefined) {
      throw new ValueFault('pickle_value', `values are appended to a ${kindOf(target)}`);
    }
    for (const value of values) items.push(value);
  }

  setItems(pairs: readonly Value[]): void {
    const target = this.top();
    const dict = asKind(target, 'dict');
    if (dict === undefined) {
      throw new ValueFault('pickle_value', `an entry is set in a ${kindOf(target)}`);
    }
    if (pairs.length % 2 !== 0) invalid('a key has no value');
    for (let i = 0; i < pairs.length; i += 2) setEntry(dict, pairs[i]!, pairs[i + 1]!);
  }

  /** Attributes of a dictionary (`_metadata`) are left out; nothing else of weights has any. */
  attributes(): void {
    const state = this.pop();
    const target = this.top();
    if (kindOf(target) === 'dict' && kindOf(state) === 'dict') return;
    const problem = `attributes (${kindOf(state)}) are set on a ${kindOf(target)}`;
    throw new ValueFault('pickle_value', problem);
  }

  storage(): void {
    const id = this.pop();
    const tuple = asKind(id, 'tuple');
    if (tuple === undefined) {
      throw new ValueFault('storage_invalid', `a storage is named by a ${kindOf(id)}`);
    }
    this.push(this.#source.storageOf(tuple));
  }

  result(): Value {
    if (this.#stack.length !== 1 || this.#marks.length !== 0) {
      invalid(`it leaves ${this.#stack.length} values instead of one`);
    }
    return this.#stack[0]!;
  }
}

type Handler = (machine: PickleMachine, argument: number | bigint | string | undefined) => void;

const pushArgument: Handler = (machine, argument) => machine.push(argument!);
const put: Handler = (machine, index) => machine.remember(index as number);
const get: Handler = (machine, index) => machine.recall(index as number);
const tupleOf =
  (length: number): Handler =>
  (machine) => {
    const items = Array.from({ length }, () => machine.pop()).reverse();
    machine.push({ kind: 'tuple', items });
  };

/** PROTO and STOP are the loop's own. */
const handlers: Readonly<Record<Exclude<WeightsOpcode, 'PROTO' | 'STOP'>, Handler>> = {
  MARK: (machine) => machine.mark(),
  NONE: (machine) => machine.push(null),
  NEWTRUE: (machine) => machine.push(true),
  NEWFALSE: (machine) => machine.push(false),
  BININT: pushArgument,
  BININT1: pushArgument,
  BININT2: pushArgument,
  LONG1: pushArgument,
  BINFLOAT: pushArgument,
  BINUNICODE: pushArgument,
  SHORT_BINSTRING: pushArgument,
  EMPTY_LIST: (machine) => machine.push({ kind: 'list', items: [] }),
  EMPTY_DICT: (machine) => machine.push({ kind: 'dict', entries: new Map() }),
  EMPTY_TUPLE: tupleOf(0),
  TUPLE1: tupleOf(1),
  TUPLE2: tupleOf(2),
  TUPLE3: tupleOf(3),
  TUPLE: (machine) => machine.push({ kind: 'tuple', items: machine.popMark() }),
  APPEND: (machine) => machine.append([machine.pop()]),
  APPENDS: (machine) => machine.append(machine.popMark()),
  SETITEM: (machine) => {
    const value = machine.pop();
    machine.setItems([machine.pop(), value]);
  },
  SETITEMS: (machine) => machine.setItems(machine.popMark()),
  GLOBAL: (machine, name) => machine.global(name as string),
  REDUCE: (machine) => machine.call('a call'),
  NEWOBJ: (machine) => machine.call('an object'),
  BUILD: (machine) => machine.attributes(),
  BINPERSID: (machine) => machine.storage(),
  BINPUT: put,
  LONG_BINPUT: put,
  BINGET: get,
  LONG_BINGET: get,
};

function checkProtocol(cursor: PickleCursor, file: string): void {
  const first = opcodeOf(cursor.uint8())?.name;
  const version = first === 'PROTO' ? cursor.uint8() : undefined;
  if (version === PROTOCOL) return;
  const what =
    version === undefined
      ? 'it does not begin as a pickle of torch.save does'
      : `it is a pickle of protocol ${version}; torch.save writes ${PROTOCOL}`;
  throw checkpointError('checkpoint.pickle_protocol', { what, file, hint: RESAVE });
}

function run(cursor: PickleCursor, source: PickleSource): Value {
  const machine = new PickleMachine(source);
  checkProtocol(cursor, source.file);
  for (let count = 0; count < MAX_OPCODES; count++) {
    const byte = cursor.uint8();
    const opcode = opcodeOf(byte);
    if (opcode === undefined) invalid(`byte 0x${byte.toString(16)} is no instruction`);
    if (!opcode.weights || opcode.name === 'PROTO') {
      const what = `the pickle uses ${opcode.name}, which plain weights never need`;
      throw checkpointError('checkpoint.pickle_opcode', { what, file: source.file, hint: RESAVE });
    }
    if (opcode.name === 'STOP') return machine.result();
    handlers[opcode.name](machine, opcode.readArgument(cursor));
  }
  throw new PickleFault('pickle_limit', `more than ${MAX_OPCODES} instructions`);
}

function childrenOf(value: Value): Iterable<Value> {
  if (typeof value !== 'object' || value === null) return [];
  if (value.kind === 'dict') return [...value.entries.keys(), ...value.entries.values()];
  return 'items' in value ? value.items : [];
}

/** Visits every node once, so that neither sharing nor a cycle can make the walk long. */
function checkDepth(root: Value): void {
  const seen = new Set<Value>([root]);
  let level: Value[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new PickleFault('pickle_limit', `more than ${MAX_DEPTH} levels`);
    const next: Value[] = [];
    for (const value of level) {
      for (const child of childrenOf(value)) {
        if (typeof child !== 'object' || child === null || seen.has(child)) continue;
        seen.add(child);
        next.push(child);
      }
    }
    level = next;
  }
}

/**
 * Reads one pickle from `begin` on; `end` is one past its STOP. Throws an AppError `checkpoint.pickle_*`,
 * `.storage_invalid` or `.view_invalid`, and PickleEnded when the bytes end before the pickle.
 */
export function readPickle(
  bytes: Uint8Array,
  begin: number,
  source: PickleSource,
): { readonly value: Value; readonly end: number } {
  const { file } = source;
  const cursor = new PickleCursor(bytes, begin);
  try {
    const value = run(cursor, source);
    checkDepth(value);
    return { value, end: cursor.position };
  } catch (error) {
    if (error instanceof PickleFault) {
      if (error.ended) throw new PickleEnded();
      const limit = error.code === 'pickle_limit';
      const what = limit
        ? `the pickle is larger than any model needs: ${error.message}`
        : `the pickle is damaged: ${error.message}`;
      const hint = limit ? RESAVE : DAMAGED;
      throw checkpointError(`checkpoint.${error.code}`, { what, file, hint, cause: error });
    }
    if (error instanceof ValueFault) {
      const { code, hint = RESAVE, message: what } = error;
      throw checkpointError(`checkpoint.${code}`, { what, file, hint, cause: error });
    }
    throw error;
  }
}
