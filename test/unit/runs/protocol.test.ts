/** Unseen tasks, corrupted images and mixed batches: in recipes and in runs. */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../main/lib/errors.ts';
import { loadInputs } from '../../../main/runs/inputs.ts';
import { readEvents } from '../../../main/runs/events.ts';
import { runJob } from '../../../main/runs/job.ts';
import { loadMethodResult } from '../../../main/runs/method-result.ts';
import { corruptionOf, seenTasks } from '../../../main/runs/protocol.ts';
import { formatRecipe, parseRecipe, recipeHash, resolveRecipePaths, type Recipe } from '../../../main/runs/recipe.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject } from '../../support/tiny-project.ts';
import { briefConfig, tinyEngine } from '../../support/tiny-run.ts';

const plain = `schema: 1
name: protocol
base: base
tasks:
  - { id: a, expert: experts/a, head: heads/a.safetensors, data: a.json }
  - { id: b, expert: experts/b, head: heads/b.safetensors, data: b.json }
methods: [{ id: wemoe }]
`;
const read = (more: string) => parseRecipe(plain + more, 'recipe.yaml');

function faultOf(more: string): AppError {
  try {
    read(more);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('the recipe was accepted');
}

describe('a recipe', () => {
  it('reads back what it says, in one canonical form', () => {
    const recipe = read(
      'evaluation: { mixed: true }\ncorruption: { severity: 2, kind: spatter, tasks: [b] }\nunseen: [a]\n',
    );
    expect(recipe.corruption).toEqual({
      kind: 'spatter',
      severity: 2,
      constants: 'by-size',
      tasks: ['b'],
    });
    expect(parseRecipe(formatRecipe(recipe), 'again')).toEqual(recipe);
    expect(seenTasks(recipe).map(({ id }) => id)).toEqual(['b']);
    expect(corruptionOf(recipe, 'a')).toBeUndefined();
    expect(corruptionOf(recipe, 'b')).toEqual({ kind: 'spatter', severity: 2, constants: 'by-size' });
  });

  it('that uses none of it has the hash that it always had', () => {
    const recipe = read('');
    expect(formatRecipe(recipe)).not.toMatch(/mixed|unseen|corruption/);
    expect(recipeHash(read('adaptation: { mixed: false }\n'))).toBe(recipeHash(recipe));
    expect(corruptionOf(recipe, 'a')).toBeUndefined();
    expect(corruptionOf(read('corruption: { kind: contrast, severity: 1 }\n'), 'a')).toBeDefined();
  });

  it.each([
    ['unseen: [c]\n', 'there is no task "c"', 'line 8, column 10'],
    ['unseen: [a, a]\n', 'listed twice', 'line 8, column 13'],
    ['unseen: [a, b]\n', 'nothing to merge', 'line 8'],
    ['corruption: { kind: contrast, severity: 1, tasks: [c] }\n', 'no task "c"', 'line 8'],
    ['corruption: { kind: fog, severity: 1 }\n', 'fog', 'line 8'],
    ['corruption: { kind: contrast, severity: 6 }\n', '5', 'line 8'],
  ])('is refused where it is wrong: %s', (more, what, where) => {
    const fault = faultOf(more);
    expect(fault.code).toBe('recipe.invalid');
    expect(`${fault.what} ${fault.hint}`).toContain(what);
    expect(fault.where).toContain(where);
  });
});

const methods = [
  { id: 'individual' },
  { id: 'simple_average' },
  {
    id: 'wemoe_2',
    method: 'wemoe',
    parameters: {
      router_layers: 2,
      steps: 3,
      learning_rate: 0.05,
      adaptation_reduction: 'batch-mean',
      evaluation_reduction: 'batch-mean',
    },
  },
];
async function runOf(changes: Partial<Recipe>) {
  const project = await createTinyProject(await temporaryFolder(), methods, briefConfig);
  const run = await project.createRun(changes);
  const report = await runJob(run, { engine: await tinyEngine() });
  return { project, run, report };
}
const bytesOf = (values: ReadonlyMap<string, { data: Float32Array }> | undefined) =>
  [...(values ?? [])].map(([name, { data }]) => [name, [...data]]);

describe('a run with an unseen task', () => {
  it('merges and adapts as if there were no such task, and measures it too', async () => {
    const { project, run, report } = await runOf({ unseen: ['shapes'] });
    const alone = await project.createRun({
      tasks: project.recipe.tasks.filter(({ id }) => id === 'digits'),
    });
    const without = await runJob(alone, { engine: await tinyEngine() });
    const [whole, part] = [
      await loadMethodResult(run, 'wemoe_2'),
      await loadMethodResult(alone, 'wemoe_2'),
    ];
    expect(bytesOf(whole?.values)).toEqual(bytesOf(part?.values));
    // λ of one expert, for the images of both tasks.
    expect([...whole!.routing].map(([task, { shape }]) => [task, shape[2]])).toEqual([
      ['digits', 1],
      ['shapes', 1],
    ]);
    report.methods.forEach(({ id, accuracy, average, unseenAverage, normalizedAverage }, i) => {
      const other = without.methods[i]!;
      expect(accuracy['digits'], id).toBe(other.accuracy['digits']);
      expect(average).toBe(accuracy['digits']);
      expect(unseenAverage).toBe(accuracy['shapes']);
      expect(normalizedAverage).toBe(other.normalizedAverage);
    });
    expect(report.taskDetails.map(({ id, unseen }) => [id, unseen])).toEqual([
      ['digits', undefined],
      ['shapes', true],
    ]);
    expect(report.adaptationData).toContain('images of digits without');
    const steps = (await readEvents(run.eventsPath)).filter(({ type }) => type === 'adaptation.step');
    expect(steps).toHaveLength(3);
    for (const step of steps) expect(step).toHaveProperty('entropy', { digits: expect.any(Number) as number });
  });
});

describe('a run with corrupted images', () => {
  it('uses them wherever it uses images of those tasks, and says so', async () => {
    const corruption = { kind: 'contrast', severity: 5, constants: 'by-size', tasks: ['shapes'] } as const;
    const { project, report } = await runOf({ corruption: { ...corruption, tasks: ['shapes'] } });
    expect(report.taskDetails.map((task) => task.corruption)).toEqual([
      undefined,
      { kind: 'contrast', severity: 5, constants: 'by-size' },
    ]);
    expect(report.adaptationData).toContain('those of shapes with low contrast of severity 5');
    const resolved = resolveRecipePaths(project.recipe, project.folder);
    const clean = await loadInputs(resolved);
    const dull = await loadInputs({ ...resolved, corruption: { ...corruption, tasks: ['shapes'] } });
    const pixels = ({ tasks }: typeof clean, index: number) => {
      const { store } = tasks[index]!.set.images;
      if (!('pixels' in store)) throw new Error('tiny sets are decoded');
      return store.pixels;
    };
    const spread = (values: Uint8Array) => Math.max(...values) - Math.min(...values);
    expect(pixels(dull, 0)).toEqual(pixels(clean, 0));
    expect(spread(pixels(dull, 1))).toBeLessThan(0.3 * spread(pixels(clean, 1)));
    expect(dull.fingerprints.get('task/shapes')).not.toBe(clean.fingerprints.get('task/shapes'));
    await clean.close();
    await dull.close();
  });
});

describe('a run with mixed batches', () => {
  it('says so, and routes images of both tasks alike under batch-mean', async () => {
    const apart = await runOf({});
    const batch = 100; // All images in one.
    const mixed = await runOf({ evaluation: { batch, mixed: true }, adaptation: { batch: 3, data: 'test', mixed: true } });
    expect(apart.report.mixed).toBeUndefined();
    expect(mixed.report.mixed).toEqual({ adaptation: true, evaluation: true });
    const first = async ({ run }: typeof mixed) => {
      const { routing } = (await loadMethodResult(run, 'wemoe_2'))!;
      return [...routing.values()].map(({ data }) => [...data.slice(0, 2)]);
    };
    const [digits, shapes] = await first(mixed);
    expect(digits).toEqual(shapes);
    const [own, other] = await first(apart);
    expect(own).not.toEqual(other);
    // The individual models are those of single tasks either way.
    expect(mixed.report.methods[0]!.accuracy).toEqual(apart.report.methods[0]!.accuracy);
  });
});
