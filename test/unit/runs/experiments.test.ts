/** Experiments as data: what they expand to. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { findPreset } from '../../../main/hub/presets.ts';
import {
  experiments,
  experimentSchema,
  methodVariants,
  readExperiment,
  runVariants,
} from '../../../main/runs/experiments/experiment.ts';
import { expandExperiment } from '../../../main/runs/experiments/expand.ts';
import { combinations, labelOf, nested } from '../../../main/runs/experiments/grid.ts';
import { refuseMissing } from '../../../main/runs/experiments/missing.ts';
import {
  modelSetNames,
  projectModels,
  readModelSet,
} from '../../../main/runs/experiments/model-set.ts';
import { formatRecipe, parseRecipe } from '../../../main/runs/recipe.ts';
import { methodCatalogue } from '../../../main/runs/catalogue.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const places = { demo: 'assets/demo' };
const demo = await readModelSet('demo', places);

// What is in the cache of this machine must not matter.
beforeEach(() => {
  vi.stubEnv('HF_HUB_CACHE', '/nowhere/hub');
});

const experimentOf = (fields: object) =>
  experimentSchema.parse({
    schema: 1,
    name: 'tried',
    title: 'Tried',
    about: 'Tried.',
    methods: ['individual'],
    ...fields,
  });

describe('a grid', () => {
  it('has every combination once, the last name varying fastest', () => {
    const points = combinations({ kind: ['a', 'b'], severity: [1, 2, 3] });
    expect(points).toHaveLength(6);
    expect(points[1]).toEqual({ kind: 'a', severity: 2 });
    expect(labelOf(points[5] ?? {}, '-')).toBe('b-3');
    expect(combinations({})).toEqual([{}]);
  });

  it('nests what stands at paths', () => {
    expect(nested({ 'a.b': 1, 'a.c': true, d: 'x' })).toEqual({ a: { b: 1, c: true }, d: 'x' });
  });
});

describe('an experiment', () => {
  it.each(experiments.flatMap(({ name }) => modelSetNames.slice(0, 2).map((models) => [name, models] as const)))(
    '%s expands to ordinary recipes on %s',
    async (name, models) => {
      const experiment = await readExperiment(name);
      const set = await readModelSet(models, places);
      const runs = expandExperiment(experiment, set);
      expect(runs).toHaveLength(runVariants(experiment).length);
      for (const { recipe, name: runName } of runs) {
        expect(recipe.name).toBe(runName);
        // What is written down is read back as the same recipe.
        expect(parseRecipe(formatRecipe(recipe), 'again', methodCatalogue)).toEqual(recipe);
        expect(recipe.methods).toHaveLength(methodVariants(experiment).length);
      }
    },
  );

  it('sets keys of recipes and parameters of methods', () => {
    const experiment = experimentOf({
      set: { tasks: 'degraded', seed: 3 },
      methods: [
        'individual',
        { id: 'free', like: 'adamerging_task', parameters: { clamp: false }, vary: { lambda: [0.1, 0.4] } },
      ],
      runs: [
        { name: 'clean' },
        { grid: { 'corruption.kind': ['contrast', 'spatter'], 'corruption.severity': [2] } },
      ],
    });
    const runs = expandExperiment(experiment, demo);
    expect(runs.map(({ name }) => name)).toEqual([
      'tried-clean',
      'tried-contrast-2',
      'tried-spatter-2',
    ]);
    const [clean, contrast] = runs.map(({ recipe }) => recipe);
    expect(clean?.tasks.map(({ id }) => id)).toEqual(['mnist', 'signs', 'planets', 'letters']);
    expect([clean?.seed, clean?.corruption]).toEqual([3, undefined]);
    expect(contrast?.corruption).toMatchObject({ kind: 'contrast', severity: 2 });
    expect(contrast?.methods.map(({ id }) => id)).toEqual(['individual', 'free_0.1', 'free_0.4']);
    // Of the models' own settings only what the experiment names is another.
    expect(contrast?.methods[2]).toMatchObject({
      method: 'adamerging',
      parameters: { granularity: 'task', steps: 100, clamp: false, lambda: 0.4 },
    });
  });

  it('takes the first tasks by number, and unseen ones by group', () => {
    const [two] = expandExperiment(experimentOf({ set: { tasks: 2 } }), demo);
    expect(two?.recipe.tasks.map(({ id }) => id)).toEqual(['mnist', 'fashion']);
    const [hidden] = expandExperiment(experimentOf({ set: { unseen: 'unseen-1' } }), demo);
    expect(hidden?.recipe.unseen).toEqual(['mnist', 'planets']);
  });

  it('says what the models lack', () => {
    const refused = (fields: object) => () => expandExperiment(experimentOf(fields), demo);
    expect(refused({ methods: ['slrp'] })).toThrow(/needs a method "slrp".*task_arithmetic/s);
    expect(refused({ set: { tasks: 'large' } })).toThrow(/group of tasks "large".*degraded/s);
    expect(refused({ set: { tasks: 9 } })).toThrow(/needs 9 tasks/);
    expect(refused({ set: { 'corruption.kind': 'fog', 'corruption.severity': 1 } })).toThrow(/kind/);
    expect(refused({ runs: [{}, {}] })).toThrow(/two runs .* "tried"/);
  });

  it('is read from a file, with the place of a fault', async () => {
    const file = join(await temporaryFolder(), 'mine.yaml');
    await writeFile(file, 'schema: 1\nname: mine\ntitle: Mine\nabout: Mine.\nmethods: [ties]\n');
    expect((await readExperiment(file)).runs).toHaveLength(1);
    await writeFile(file, 'schema: 1\nname: mine\ntitle: Mine\nabout: Mine.\nmethod: [ties]\n');
    await expect(readExperiment(file)).rejects.toThrow(/"method" is not a key.*mine\.yaml.*methods/s);
    await expect(readExperiment('unsen')).rejects.toThrow(/did you mean "unseen"/);
  });
});

describe('models', () => {
  it('of a collection are named as the Hub does, with images in one folder', async () => {
    const set = await readModelSet('clip-vit-base-patch32-8', { ...places, data: '/images' });
    const preset = findPreset('clip-vit-base-patch32-8');
    expect(set.tasks.map(({ expert }) => expert)).toEqual(
      preset?.experts.map(({ model }) => `hub:${model}`),
    );
    expect([set.folder, set.tasks[0]?.data]).toEqual(['/images', 'sun397']);
  });

  it('of a collection are named with their commit where they are on this machine', async () => {
    const cache = await temporaryFolder();
    const commit = 'abc123'.padEnd(40, '0');
    const kept = join(cache, 'models--openai--clip-vit-base-patch32');
    await mkdir(join(kept, 'refs'), { recursive: true });
    await mkdir(join(kept, 'snapshots', commit), { recursive: true });
    await writeFile(join(kept, 'refs', 'main'), commit);
    await writeFile(join(kept, 'snapshots', commit, 'model.safetensors'), '');
    vi.stubEnv('HF_HUB_CACHE', cache);
    const set = await readModelSet('clip-vit-base-patch32-8', places);
    expect(set.base).toBe(`hub:openai/clip-vit-base-patch32@${commit}`);
    expect(set.tasks[0]?.expert).toBe('hub:tanganke/clip-vit-base-patch32_sun397');
  });

  it('that are missing are said all at once', async () => {
    const set = await readModelSet('clip-vit-base-patch32-8', { data: '/nowhere', ...places });
    const runs = expandExperiment(experimentOf({ set: { tasks: 2 } }), set);
    expect(() => {
      refuseMissing(runs, set);
    }).toThrow(
      /hub get openai\/clip-vit-base-patch32 .*_sun397 .*_stanford-cars/,
    );
    expect(() => {
      refuseMissing(runs, set);
    }).toThrow(/\/nowhere\/sun397, \/nowhere\/stanford-cars/);
    expect(() => {
      refuseMissing(expandExperiment(experimentOf({}), demo), demo);
    }).not.toThrow();
  });

  it('of a file have the settings of the bundled ones they are like', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'mine.yaml');
    const task = '{ id: mnist, expert: e, head: h.safetensors, data: d.json }';
    await writeFile(file, `schema: 1\ntitle: mine\nbase: b\ntasks:\n  - ${task}\nlike: demo\n`);
    const set = await readModelSet(file, places);
    expect(set.folder).toBe(folder);
    expect(set.methods).toEqual(demo.methods);
    await expect(readModelSet('dem', places)).rejects.toThrow(/did you mean "demo"/);
  });

  it('of a project are known by their tasks', () => {
    const { base, tasks } = demo;
    const materials = { base, tasks: tasks.map((task) => ({ ...task, title: task.id })) };
    const set = projectModels(materials, demo.folder);
    expect(set.tasks).toEqual(tasks);
    expect(set.methods).toEqual(demo.methods);
    expect(() => projectModels({ ...materials, base: null }, '.')).toThrow(/no base model/);
    const [first, ...others] = materials.tasks;
    const headless = [{ ...first!, head: null }, ...others];
    expect(() => projectModels({ base, tasks: headless }, '.')).toThrow(/"mnist" has no head/);
    expect(() => projectModels({ base, tasks: others }, '.')).toThrow(/the project has others/);
  });
});
