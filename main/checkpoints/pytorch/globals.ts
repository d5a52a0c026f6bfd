/**
 * The allow-list: the only names a pickle of weights may mention, and what each stands for as plain data.
 * Whatever is not here stops the reader. Nothing is ever imported, looked up or called in Python's sense.
 * The names are those torch.save writes; compare torch/_weights_only_unpickler.py.
 */
import type { DType } from '../dtype.ts';
import { shown } from '../fail.ts';
import { ValueFault } from './fault.ts';
import { asKind, kindOf, type DictNode, type Value } from './values.ts';
import { viewOf } from './view.ts';

type Build = (args: readonly Value[], name: string) => Value;

const wrong = (name: string, needs: string): never => {
  throw new ValueFault('pickle_value', `${name} is given other values than ${needs}`);
};

const opaque: Build = (_args, name) => ({ kind: 'opaque', name });

/** From nothing, a dictionary, or (Python 2) a list of pairs. */
const dictionary: Build = (args, name) => {
  const result: DictNode = { kind: 'dict', entries: new Map() };
  const [source] = args;
  if (args.length > 1) wrong(name, 'one collection');
  const pairs = asKind(source, 'list')?.items.map((item): [Value, Value] => {
    const [key, value] = asKind(item, 'list')?.items ?? asKind(item, 'tuple')?.items ?? [];
    if (key === undefined || value === undefined) return wrong(name, 'pairs');
    return [key, value];
  });
  const entries = asKind(source, 'dict')?.entries ?? pairs;
  if (source !== undefined && entries === undefined) wrong(name, 'a dictionary or pairs');
  for (const [key, value] of entries ?? []) setEntry(result, key, value);
  return result;
};

/** Adds one entry; a key twice is refused, because no writer of weights does that. */
export function setEntry(target: DictNode, key: Value, value: Value): void {
  const kind = typeof key === 'object' && key !== null ? key.kind : 'plain';
  // Tuples are compared by identity, which is enough for entries nobody looks up.
  if (kind !== 'plain' && kind !== 'tuple' && kind !== 'global' && kind !== 'opaque') {
    throw new ValueFault('pickle_value', `a dictionary has a ${kind} as a key`);
  }
  if (target.entries.has(key)) {
    const code = kindOf(value) === 'tensor' ? 'duplicate_tensor' : 'pickle_value';
    const text = typeof key === 'string' ? `"${shown(key)}"` : kind;
    throw new ValueFault(code, `a dictionary has the key ${text} twice`);
  }
  target.entries.set(key, value);
}

const sequence =
  (kind: 'tuple' | 'set'): Build =>
  (args, name) => {
    const [source] = args;
    const items = asKind(source, 'list')?.items ?? asKind(source, 'tuple')?.items;
    if (args.length > 1 || (source !== undefined && items === undefined)) wrong(name, 'one list');
    return { kind, items: [...(items ?? [])] };
  };

const parameter: Build = ([tensor], name) => {
  const node = asKind(tensor, 'tensor') ?? wrong(name, 'a tensor');
  if (node.parameter) throw new ValueFault('pickle_value', 'a Parameter is made of a Parameter');
  return { ...node, parameter: true };
};

/** (function, class, arguments, state): a tensor that had attributes of its own, which are left out. */
const rebuildFromType: Build = ([rebuild, type, args], name) => {
  const build = asKind(rebuild, 'global')?.name;
  const values = asKind(args, 'tuple')?.items ?? wrong(name, 'a tuple');
  const tensorClass = asKind(type, 'global')?.name;
  if (tensorClass === 'torch.nn.parameter Parameter') {
    return parameter([builders.get(build ?? '')?.(values, name) ?? null], name);
  }
  if (tensorClass !== 'torch Tensor' || build === undefined) wrong(name, 'a tensor');
  const tensor = builders.get(build ?? '')?.(values, name);
  return asKind(tensor, 'tensor') ?? wrong(name, 'a tensor');
};

/** What a call of each name gives. */
const builders: ReadonlyMap<string, Build> = new Map<string, Build>([
  ['collections OrderedDict', dictionary],
  ['collections Counter', dictionary],
  ['torch._utils _rebuild_tensor', (args) => viewOf(args.slice(0, 4))],
  ['torch._utils _rebuild_tensor_v2', (args) => viewOf(args)],
  ['torch._utils _rebuild_parameter', parameter],
  ['torch._utils _rebuild_parameter_with_state', parameter],
  ['torch._tensor _rebuild_from_type_v2', rebuildFromType],
  ['torch Size', sequence('tuple')],
  ['torch device', opaque],
  ['__builtin__ set', sequence('set')],
  ['builtins set', sequence('set')],
  ['__builtin__ bytearray', opaque],
  ['builtins bytearray', opaque],
  ['__builtin__ complex', opaque],
  ['builtins complex', opaque],
  ['_codecs encode', opaque],
]);

/** Names that are data themselves. */
const constants: ReadonlySet<string> = new Set([
  'torch Tensor',
  'torch.nn.parameter Parameter',
  ...['float32', 'float', 'float64', 'double', 'float16', 'half', 'bfloat16'].map(torchName),
  ...['uint8', 'int8', 'int16', 'short', 'int32', 'int', 'int64', 'long', 'bool'].map(torchName),
  ...['complex64', 'complex128', 'float8_e4m3fn', 'float8_e5m2', 'strided'].map(torchName),
]);

function torchName(name: string): string {
  return `torch ${name}`;
}

/** The classes of storages, each of one element type. */
const storageClasses: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['torch FloatStorage', 'F32'],
  ['torch DoubleStorage', 'F64'],
  ['torch HalfStorage', 'F16'],
  ['torch BFloat16Storage', 'BF16'],
  ['torch ByteStorage', 'U8'],
  ['torch CharStorage', 'I8'],
  ['torch ShortStorage', 'I16'],
  ['torch IntStorage', 'I32'],
  ['torch LongStorage', 'I64'],
  ['torch BoolStorage', 'BOOL'],
]);

/** True for a name (`module name`) a pickle of weights may mention. */
export function isAllowedGlobal(name: string): boolean {
  return builders.has(name) || constants.has(name) || storageClasses.has(name);
}

/** The plain value a call of an allowed name stands for; undefined when the name cannot be called. */
export function buildGlobal(name: string, args: readonly Value[]): Value | undefined {
  return builders.get(name)?.(args, name.replace(' ', '.'));
}

/** The element type of a storage class; undefined when the name is none. */
export function storageDType(name: string): DType | undefined {
  return storageClasses.get(name);
}

/** What to do about a refused name, by the beginning of its module. The first row that fits counts. */
const advice: readonly (readonly [prefix: RegExp, hint: string])[] = [
  [
    /^numpy/,
    'in Python, turn NumPy values into plain numbers or tensors, then save the state_dict again',
  ],
  [
    /^torch\._utils _rebuild_|^torch\.sparse|^torch \w+Storage$/,
    'in Python, turn quantised, sparse or complex tensors into dense real ones, then save the state_dict again',
  ],
  [
    /^(?:open_clip|clip|src|modeling|heads|transformers|timm|torchvision|torch\.nn\.modules)\b/,
    'it holds a whole Python object; where you trust it, load it in Python with its own code and save only the weights: torch.save(model.state_dict(), "weights.pt")',
  ],
];

/** What to do about a pickle that mentions this name. */
export function globalAdvice(name: string): string {
  const row = advice.find(([prefix]) => prefix.test(name));
  return (
    row?.[1] ??
    'do not load it elsewhere unless you trust its author; ask for the weights as safetensors'
  );
}
