/** The class names and templates that come with the program, against what is published about them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { bundledPrompts, fillTemplates, readPrompts } from '../../../main/text/prompts.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** Classes and templates of each task, as the papers' code has them, in the order of the benchmarks. */
const published: readonly [task: string, classes: number, templates: number][] = [
  ['sun397', 397, 2],
  ['stanford-cars', 196, 8],
  ['resisc45', 45, 18],
  ['eurosat', 10, 3],
  ['svhn', 10, 1],
  ['gtsrb', 43, 3],
  ['mnist', 10, 1],
  ['dtd', 47, 8],
  ['oxford_flowers102', 102, 1],
  ['pcam', 2, 1],
  ['fer2013', 7, 6],
  ['oxford-iiit-pet', 37, 1],
  ['stl10', 10, 2],
  ['cifar100', 100, 18],
  ['cifar10', 10, 18],
  ['food101', 101, 1],
  ['fashion_mnist', 10, 2],
  ['emnist_letters', 26, 1],
  ['kmnist', 10, 1],
  ['rendered-sst2', 2, 1],
];

describe('the bundled tasks', () => {
  it('are the twenty of the benchmarks, in their order', () => {
    expect(Object.keys(bundledPrompts)).toEqual(published.map(([task]) => task));
    const first = published.slice(0, 8).map(([task]) => bundledPrompts[task]!);
    expect(first.flatMap(fillTemplates)).toHaveLength(3727);
    expect(first.reduce((sum, { classes }) => sum + classes.length, 0)).toBe(758);
  });

  test.each(published)('%s', (task, classes, templates) => {
    const prompts = bundledPrompts[task]!;
    expect(new Set(prompts.classes).size).toBe(classes);
    expect(prompts.classes).toHaveLength(classes);
    expect(new Set(prompts.templates).size).toBe(templates);
    for (const text of [...prompts.classes, ...prompts.templates]) expect(text).toBe(text.trim());
    for (const text of prompts.templates) expect(text.split('{}')).toHaveLength(2);
    expect(prompts.sources.length).toBeGreaterThan(1);
  });

  // Their labels number the classes in alphabetical order.
  test.each(['sun397', 'resisc45', 'dtd', 'oxford-iiit-pet', 'cifar100', 'food101'])(
    '%s is in alphabetical order',
    (task) => {
      const { classes } = bundledPrompts[task]!;
      const unspaced = (name: string) => name.replaceAll(' ', '_');
      expect([...classes].sort((a, b) => (unspaced(a) < unspaced(b) ? -1 : 1))).toEqual(classes);
    },
  );
});

test('every template is filled with every class', () => {
  const prompts = { classes: ['cat', '$& dog'], templates: ['a {}.', 'the {} and {}'] };
  expect(fillTemplates(prompts)).toEqual([
    'a cat.',
    'the cat and cat',
    'a $& dog.',
    'the $& dog and $& dog',
  ]);
});

describe('prompts named by a recipe', () => {
  it('are a bundled task', async () => {
    expect((await readPrompts('eurosat')).classes).toContain('lake or sea');
  });

  it('or nothing, with the nearest name', async () => {
    const error = await expectFailure(readPrompts('sun379'), 'text.prompts_unknown');
    expect(error.hint).toContain('did you mean "sun397"?');
    await expectFailure(readPrompts('constructor'), 'text.prompts_unknown');
  });

  it('or a file of the same form', async () => {
    const path = join(await temporaryFolder(), 'own.json');
    const prompts = { classes: ['cat', 'dog'], templates: ['a {}.'] };
    await writeFile(path, JSON.stringify({ ...prompts, comment: 'mine' }));
    expect(await readPrompts(path)).toEqual(prompts);
    await expectFailure(readPrompts(`${path}.json`), 'file.read_failed');
  });

  test.each([
    ['no JSON', '{'],
    ['a list', '["cat"]'],
    ['no templates', '{"classes": ["cat"]}'],
    ['an empty name', '{"classes": ["cat", " "], "templates": ["{}"]}'],
    ['a template without a place for the name', '{"classes": ["cat"], "templates": ["a photo"]}'],
  ])('that hold %s are text.prompts_invalid', async (_what, text) => {
    const path = join(await temporaryFolder(), 'own.json');
    await writeFile(path, text);
    const error = await expectFailure(readPrompts(path), 'text.prompts_invalid');
    expect(error.where).toBe(path);
  });
});
