/** YAML text to a checked value, with every fault named by file, line, column and key. */
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
} from 'yaml';
import type { z } from 'zod';
import { closest } from './closest.ts';
import { AppError } from './errors.ts';

export type KeyPath = readonly (string | number)[];

/** Says where the first of these keys that the text really holds stands. */
export type RecipePlace = (...paths: readonly [KeyPath, ...KeyPath[]]) => string;

const longestText = 1 << 20;

/** Parses and checks `text`; throws `recipe.unreadable` (not YAML) or `recipe.invalid` (wrong content). */
export function parseRecipeYaml<Schema extends z.ZodType>(
  text: string,
  file: string,
  schema: Schema,
): { value: z.output<Schema>; place: RecipePlace } {
  if (text.length > longestText) {
    throw new AppError('recipe.unreadable', {
      what: `the recipe has ${text.length} characters, more than ${longestText}`,
      where: file,
      hint: 'check that the path names a recipe',
    });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) {
    const at = lines.linePos(fault.pos[0]);
    const repeated = fault.code === 'DUPLICATE_KEY';
    const message =
      fault.code === 'MULTIPLE_DOCS' ? 'a recipe is one document, without "---"' : fault.message;
    throw new AppError(repeated ? 'recipe.invalid' : 'recipe.unreadable', {
      what: repeated
        ? `the key "${repeatedKey(text, fault.pos[0])}" occurs twice`
        : `the recipe is not valid YAML: ${message}`,
      where: `${file}, line ${at.line}, column ${at.col}`,
      hint: repeated ? 'keep one of the two' : 'correct the line; indentation is by spaces',
    });
  }
  const place = placeIn(document, lines, file);
  const result = schema.safeParse(plainValue(document, file), { reportInput: true });
  if (!result.success) throw describeIssues(result.error.issues, place, schema);
  return { value: result.data, place };
}

/** The keys at the top of a YAML text, however much of the rest is wrong; none where it is no map. */
export function topLevelKeys(text: string): readonly string[] {
  if (text.length > longestText) return [];
  const { contents } = parseDocument(text, { logLevel: 'silent' });
  if (!isMap(contents)) return [];
  return contents.items.flatMap(({ key }) => (isScalar(key) ? [String(key.value)] : []));
}

function repeatedKey(text: string, offset: number): string {
  return /^["']?([^"':\s,}]+)/.exec(text.slice(offset, offset + 80))?.[1] ?? '';
}

function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (cause) {
    throw new AppError('recipe.unreadable', {
      what: 'the aliases of the recipe cannot be followed',
      where: file,
      hint: 'write the values out instead of using & and *',
      cause,
    });
  }
}

function placeIn(document: Document, lines: LineCounter, file: string): RecipePlace {
  return (...paths) => {
    const found = paths.map((path) => ({ path, ...locate(document, path) }));
    const best = found.find(({ whole }) => whole) ?? found[0];
    if (best === undefined) return file;
    const at = lines.linePos(best.offset);
    const key = best.path.length === 0 ? '' : `, ${formatKey(best.path)}`;
    return `${file}, line ${at.line}, column ${at.col}${key}`;
  };
}

/** Where a key stands; a key that is missing has the place of the nearest thing around it. */
function locate(document: Document, path: KeyPath): { offset: number; whole: boolean } {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(
        ({ key: at }) => isScalar(at) && String(at.value) === String(key),
      );
      if (pair === undefined) return { offset, whole: false };
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof key === 'number' && key < node.items.length) {
      node = node.items[key];
      offset = startOf(node) ?? offset;
    } else {
      return { offset, whole: false };
    }
  }
  return { offset, whole: true };
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function formatKey(path: KeyPath): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : index === 0 ? key : `.${key}`))
    .join('');
}

function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  place: RecipePlace,
  schema: z.ZodType,
): AppError {
  // A misspelt key is also a missing one; the misspelling is the better message.
  const issue = innermost(
    issues.find(({ path }) => path[0] === 'schema') ??
      issues.find(({ code }) => code === 'unrecognized_keys') ??
      issues[0],
  );
  if (issue === undefined) throw new Error('a failed check without an issue');
  const path = issue.path.filter((key) => typeof key !== 'symbol');
  const others = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  const invalid = (what: string, where: KeyPath, hint: string): AppError =>
    new AppError('recipe.invalid', { what: what + others, where: place(where), hint });

  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known = keysAt(schema, path);
    const meant = closest(key, known);
    const question = meant === undefined ? '' : `did you mean "${meant}"? `;
    return invalid(
      `"${key}" is not a key here`,
      [...path, key],
      `${question}known keys: ${known.join(', ')}`,
    );
  }
  const key = path.length === 0 ? 'the recipe' : `"${formatKey(path)}"`;
  if (issue.input === undefined && path.length > 0) {
    return invalid(`${key} is missing`, path, `add it: ${expected(issue)}`);
  }
  if (path.length === 1 && path[0] === 'schema' && typeof issue.input === 'number') {
    const hint = issue.input > 1 ? 'update Mergewright, or write schema 1' : 'write "schema: 1"';
    return invalid(`the recipe has schema ${issue.input}; this version reads schema 1`, path, hint);
  }
  return invalid(`${key} is ${shorten(issue.input)}`, path, `it must be ${expected(issue)}`);
}

/** Where a group of keys was written for one of several forms, the fault in the form that is a group. */
function innermost(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== 'invalid_union' || !isGroup(issue.input)) return issue;
  const inside = ({ code, path }: z.core.$ZodIssue) =>
    code === 'unrecognized_keys' || path.length > 0;
  const meant = issue.errors.find((issues) => issues.some(inside)) ?? [];
  const found = meant.find(({ code }) => code === 'unrecognized_keys') ?? meant.find(inside);
  if (found === undefined) return issue;
  return innermost({ ...found, path: [...issue.path, ...found.path] });
}

function isGroup(input: unknown): boolean {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

function shorten(input: unknown): string {
  if (Array.isArray(input)) return input.length === 0 ? 'an empty list' : 'a list';
  if (typeof input === 'object' && input !== null) return 'a group of keys';
  if (typeof input === 'number') return String(input);
  if (input === null) return 'empty';
  const text = JSON.stringify(input);
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a group of keys',
  record: 'a group of keys',
  boolean: 'true or false',
};

/** What a schema wanted, in words. */
function expected(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeNames[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'too_small':
      if (issue.origin === 'array') {
        return Number(issue.minimum) > 1
          ? `a list of ${issue.minimum} entries`
          : 'a list of at least one entry';
      }
      if (issue.origin === 'string') return 'text that is not empty';
      return `at least ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'string') return `text of at most ${issue.maximum} characters`;
      return `at most ${issue.maximum}`;
    case 'invalid_union':
      return issue.message === 'Invalid input'
        ? 'a number, text, true or false, or a list of numbers'
        : issue.message;
    default:
      return issue.message;
  }
}

/** The keys an object schema knows at a path; list positions are skipped. */
function keysAt(schema: z.ZodType, path: KeyPath): readonly string[] {
  let at: unknown = schema;
  for (const key of path) {
    const def = unwrap(at);
    at = def?.element ?? def?.valueType ?? def?.shape?.[key];
  }
  return Object.keys(unwrap(at)?.shape ?? {});
}

interface Definition {
  readonly type: string;
  readonly innerType?: unknown;
  readonly in?: unknown;
  readonly element?: unknown;
  /** Of a record, whose keys are the writer's own. */
  readonly valueType?: unknown;
  readonly options?: readonly unknown[];
  readonly shape?: Readonly<Record<string | number, unknown>>;
}

/** Without defaults and transforms; of several forms the one that has keys. */
function unwrap(schema: unknown): Definition | undefined {
  let at = schema as { readonly def: Definition } | undefined;
  for (;;) {
    const grouped = at?.def.options?.find((option) => unwrap(option)?.shape !== undefined);
    const inner = at?.def.innerType ?? at?.def.in ?? grouped;
    if (inner === undefined) return at?.def;
    at = inner as { readonly def: Definition };
  }
}
