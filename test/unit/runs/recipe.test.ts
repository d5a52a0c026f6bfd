import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../main/lib/errors.ts';
import {
  formatRecipe,
  parseRecipe,
  readRecipe,
  recipeHash,
  resolveRecipePaths,
  type MethodCatalogue,
  type Recipe,
} from '../../../main/runs/recipe.ts';

const good = `schema: 1
name: demo
base: base
tasks:
  - { id: mnist, expert: experts/mnist, head: heads/mnist.safetensors, data: mnist.json }
methods:
  - id: pretrained
  - id: task_arithmetic
    parameters: { scaling: 0.3 }
`;

const methods: MethodCatalogue = {
  ids: ['pretrained', 'task_arithmetic', 'wemoe'],
  validate(methodId, parameters, _count, where) {
    for (const name of Object.keys(parameters)) {
      if (methodId === 'task_arithmetic' && name === 'scaling') continue;
      throw new AppError('recipe.invalid', {
        what: `${methodId} has no parameter "${name}"`,
        where: where(name),
        hint: 'take it out',
      });
    }
  },
  validateOrder: () => undefined,
};

function faultOf(text: string): AppError {
  try {
    parseRecipe(text, 'demo.yaml', methods);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('the recipe was accepted');
}

describe('the head of a task', () => {
  const withHead = (head: string) => good.replace('heads/mnist.safetensors', head);

  it('may be class names and templates, of the program, of a file or written out', () => {
    const heads = [
      '{ prompts: mnist }',
      '{ prompts: own/names.json, model: ../clip }',
      '{ prompts: { templates: ["a {}."], classes: [cat, dog] } }',
    ];
    const found = heads.map((head) => parseRecipe(withHead(head), 'demo.yaml').tasks[0]!.head);
    expect(found).toEqual([
      { prompts: 'mnist' },
      { prompts: 'own/names.json', model: '../clip' },
      { prompts: { classes: ['cat', 'dog'], templates: ['a {}.'] } },
    ]);
  });

  it('has its paths made absolute, and is written in one order', () => {
    const head = '{ model: clip, prompts: { templates: ["a {}."], classes: [cat] } }';
    const recipe = parseRecipe(withHead(head), 'demo.yaml');
    expect(resolveRecipePaths(recipe, '/at').tasks[0]!.head).toEqual({
      prompts: { classes: ['cat'], templates: ['a {}.'] },
      model: '/at/clip',
    });
    const named = parseRecipe(withHead('{ prompts: names.json }'), 'demo.yaml');
    expect(resolveRecipePaths(named, '/at').tasks[0]!.head).toEqual({ prompts: '/at/names.json' });
    const task = parseRecipe(withHead('{ prompts: mnist }'), 'demo.yaml');
    expect(resolveRecipePaths(task, '/at').tasks[0]!.head).toEqual({ prompts: 'mnist' });
    const again = withHead('{ prompts: { classes: [cat], templates: ["a {}."] }, model: clip }');
    expect(formatRecipe(recipe)).toBe(formatRecipe(parseRecipe(again, 'demo.yaml')));
    expect(parseRecipe(formatRecipe(recipe), 'demo.yaml')).toEqual(recipe);
  });

  it.each([
    ['{ prompt: mnist }', /"prompt" is not a key here.*head\.prompt.*did you mean "prompts"/s],
    ['{ prompts: { classes: [], templates: ["{}"] } }', /head\.prompts\.classes" is an empty list/],
    ['{ prompts: { classes: [a], templates: [b] } }', /head\.prompts\.templates\[0\]" is "b".*no \{\} for/s],
    ['{ model: clip }', /head\.prompts" is missing/],
    ['7', /head" is 7.*the path of a head, or a group with "prompts"/s],
  ])('refuses %s', (head, message) => {
    const fault = faultOf(withHead(head));
    expect(fault.code).toBe('recipe.invalid');
    expect(`${fault.message} ${fault.hint}`).toMatch(message);
  });
});

describe('parseRecipe', () => {
  it('fills in the defaults', () => {
    const recipe = parseRecipe(good, 'demo.yaml', methods);
    expect(recipe.seed).toBe(0);
    expect(recipe.adaptation).toEqual({ batch: 16, data: 'test' });
    expect(recipe.evaluation).toEqual({ batch: 125 });
    expect(recipe.methods[0]).toEqual({ id: 'pretrained', method: 'pretrained', parameters: {} });
    expect(recipe.engine).toBeUndefined();
    expect(recipe.export).toBeUndefined();
  });

  it('takes two entries of one method under two ids', () => {
    const text = `${good}  - { id: wemoe_1, method: wemoe }\n  - { id: wemoe_2, method: wemoe }\n`;
    expect(parseRecipe(text, 'demo.yaml', methods).methods.map((entry) => entry.method)).toEqual([
      'pretrained',
      'task_arithmetic',
      'wemoe',
      'wemoe',
    ]);
  });

  const replaced = (from: string, to: string): string => {
    expect(good).toContain(from);
    return good.replace(from, to);
  };
  it.each<[string, string, string, RegExp]>([
    ['nothing', '', 'recipe.invalid', /the recipe is empty, in demo\.yaml, line 1/],
    ['a list', '- a', 'recipe.invalid', /the recipe is a list/],
    ['a bare word', 'demo', 'recipe.invalid', /the recipe is "demo"/],
    ['no schema', replaced('schema: 1\n', ''), 'recipe.invalid', /"schema" is missing/],
    ['a later schema', replaced('schema: 1', 'schema: 2'), 'recipe.invalid', /update Mergewright/],
    [
      'a misspelt key',
      replaced('name:', 'nmae:'),
      'recipe.invalid',
      /"nmae" is not a key here.*line 2, column 1, nmae; did you mean "name"\?/,
    ],
    [
      'a misspelt key in a task',
      replaced('expert:', 'exprt:'),
      'recipe.invalid',
      /line 5, column 18, tasks\[0\]\.exprt; did you mean "expert"\?/,
    ],
    ['a missing key', replaced('base: base\n', ''), 'recipe.invalid', /"base" is missing/],
    ['a path with a NUL', replaced('base: base', 'base: "a\\0b"'), 'recipe.invalid', /"base" is/],
    ['an empty path', replaced('base: base', 'base: ""'), 'recipe.invalid', /"base" is ""/],
    [
      'a key twice',
      `${good}seed: 1\nseed: 2\n`,
      'recipe.invalid',
      /the key "seed" occurs twice, in demo\.yaml, line 11, column 1/,
    ],
    ['a negative seed', `${good}seed: -1\n`, 'recipe.invalid', /"seed" is -1.*at least 0/],
    ['a fractional seed', `${good}seed: 1.5\n`, 'recipe.invalid', /"seed" is 1\.5.*whole number/],
    ['no tasks', good.replace(/tasks:\n.*\n/, 'tasks: []\n'), 'recipe.invalid', /empty list/],
    ['no methods', good.replace(/methods:[^]*/, 'methods: []\n'), 'recipe.invalid', /empty list/],
    [
      'a task id that leaves its folder',
      replaced('id: mnist', 'id: ../mnist'),
      'recipe.invalid',
      /"tasks\[0\]\.id" is "\.\.\/mnist"/,
    ],
    [
      'a task twice',
      replaced('methods:', '  - { id: MNIST, expert: a, head: b, data: c }\nmethods:'),
      'recipe.invalid',
      /task id "MNIST" occurs twice; tasks\[0\] has it already, in demo\.yaml, line 6/,
    ],
    [
      'a method twice',
      `${good}  - id: pretrained\n`,
      'recipe.invalid',
      /method id "pretrained" occurs twice.*line 10, column 5, methods\[2\]\.id/,
    ],
    [
      'an unknown method',
      replaced('id: task_arithmetic', 'id: task_arithmetc'),
      'recipe.unknown_method',
      /"task_arithmetc", in demo\.yaml, line 8, .*did you mean "task_arithmetic"\? known methods: pretrained, task_arithmetic, wemoe$/,
    ],
    [
      'an unknown parameter',
      replaced('scaling:', 'scale:'),
      'recipe.invalid',
      /no parameter "scale", in demo\.yaml, line 9, column 19, methods\[1\]\.parameters\.scale/,
    ],
    ['a nested parameter', replaced('0.3', '{ a: 1 }'), 'recipe.invalid', /is a group of keys/],
    ['a parameter that is no number', replaced('0.3', '.nan'), 'recipe.invalid', /is NaN/],
    ['a batch of 0', `${good}adaptation: { batch: 0 }\n`, 'recipe.invalid', /at least 1/],
    ['an empty section', `${good}evaluation:\n`, 'recipe.invalid', /"evaluation" is empty/],
    ['an unknown engine', `${good}engine: { id: onxx }\n`, 'recipe.invalid', /"auto" or "onnx"/],
    [
      'an export of a method that is not there',
      `${good}export: { method: ties, formats: [onnx] }\n`,
      'recipe.invalid',
      /"ties" is to be exported.*name one of pretrained, task_arithmetic/,
    ],
    [
      'a format twice',
      `${good}export: { method: pretrained, formats: [onnx, onnx] }\n`,
      'recipe.invalid',
      /a format is listed twice/,
    ],
    ['YAML that does not end', `${good}engine: [\n`, 'recipe.unreadable', /line 11, column 1/],
    ['a tab', `${good}\tseed: 1\n`, 'recipe.unreadable', /Tabs are not allowed/],
    ['a tag', `${good}seed: !!js/function 1\n`, 'recipe.unreadable', /Unresolved tag/],
    ['two documents', `${good}---\n${good}`, 'recipe.unreadable', /one document/],
    ['a circular alias', 'a: &a [*a]', 'recipe.invalid', /"schema" is missing/],
    ['__proto__', `${good}__proto__: { seed: 1 }\n`, 'recipe.invalid', /"__proto__" is not a key/],
    ['a huge text', ' '.repeat(2 ** 20 + 1), 'recipe.unreadable', /more than 1048576/],
    [
      'a bomb of aliases',
      `a: &a [1,1,1,1,1,1,1,1,1]\n${[...'bcdefgh'].map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[i] ?? ''}`).join(',')}]`).join('\n')}`,
      'recipe.unreadable',
      /aliases/,
    ],
  ])('refuses %s', (_, text, code, message) => {
    const fault = faultOf(text);
    expect(fault.message).toMatch(message);
    expect(fault.code).toBe(code);
    expect(fault.where).toMatch(/^demo\.yaml/);
  });
});

describe('readRecipe', () => {
  it('tells a missing file, a folder and a file that is not text apart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'recipe-'));
    try {
      const file = join(folder, 'demo.yaml');
      await expect(readRecipe(file)).rejects.toThrow(/there is no recipe here/);
      await expect(readRecipe(folder)).rejects.toThrow(/a folder is where the recipe should be/);
      await writeFile(file, Buffer.from([0x6e, 0xff, 0xfe]));
      await expect(readRecipe(file)).rejects.toMatchObject({
        code: 'recipe.unreadable',
        what: 'the recipe is not UTF-8 text',
      });
      await writeFile(file, good);
      expect((await readRecipe(file, methods)).name).toBe('demo');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('formatRecipe', () => {
  it('writes every value in a fixed order', () => {
    const text = `
methods: [{ parameters: { b: [1, 2], a: "on" }, id: wemoe_2, method: wemoe }]
tasks: [{ data: d, head: h, expert: e, id: t }]
export: { mode: static, formats: [onnx], method: wemoe_2 }
engine: { threads: 2, id: onnx }
base: ../base
name: "1"
schema: 1
`;
    expect(formatRecipe(parseRecipe(text, 'demo.yaml'))).toBe(`schema: 1
name: "1"
seed: 0
base: ../base
tasks:
  - id: t
    expert: e
    head: h
    data: d
methods:
  - id: wemoe_2
    method: wemoe
    parameters:
      a: on
      b:
        - 1
        - 2
adaptation:
  batch: 16
  data: test
evaluation:
  batch: 125
engine:
  id: onnx
  threads: 2
export:
  method: wemoe_2
  formats:
    - onnx
  mode: static
`);
  });

  const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,8}$/);
  const path = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).filter((text) => !text.includes('\0'));
  const parameter = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
    fc.boolean(),
    fc.string(),
  );
  const recipes: fc.Arbitrary<Recipe> = fc.record({
    schema: fc.constant(1 as const),
    name: fc.stringMatching(/^[a-z#:"' -]{0,10}[a-z]$/).map((name) => name.trim()),
    seed: fc.nat(),
    base: path,
    tasks: fc.uniqueArray(fc.record({ id: word, expert: path, head: path, data: path }), {
      minLength: 1,
      maxLength: 4,
      selector: ({ id }) => id.toLowerCase(),
    }),
    methods: fc.uniqueArray(
      fc.record({
        id: word,
        method: word,
        parameters: fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), parameter, { noNullPrototype: true }),
      }),
      { minLength: 1, maxLength: 4, selector: ({ id }) => id.toLowerCase() },
    ),
    adaptation: fc.record({ batch: fc.integer({ min: 1, max: 99 }), data: fc.constant('test' as const) }),
    evaluation: fc.record({ batch: fc.integer({ min: 1, max: 99 }) }),
  });

  it('reads back as the same recipe with the same bytes and hash', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        const text = formatRecipe(recipe);
        const again = parseRecipe(text, 'demo.yaml');
        expect(again).toEqual(recipe);
        expect(formatRecipe(again)).toBe(text);
        expect(recipeHash(again)).toBe(recipeHash(recipe));
      }),
      { numRuns: 60 },
    );
  });
});

it('resolves every path from the folder of the recipe', () => {
  const recipe = resolveRecipePaths(parseRecipe(good, 'demo.yaml'), '/data');
  expect(recipe.base).toBe('/data/base');
  expect(recipe.tasks[0]).toEqual({
    id: 'mnist',
    expert: '/data/experts/mnist',
    head: '/data/heads/mnist.safetensors',
    data: '/data/mnist.json',
  });
});
