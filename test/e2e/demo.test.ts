/** The bundled benchmark itself: the results it must reach, and the exported file in the hands of a stranger. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../main/checkpoints/safetensors.ts';
import { readRecipe, resolveRecipePaths, type Recipe } from '../../main/runs/recipe.ts';
import { parseReport, type MethodReport, type Report } from '../../main/runs/report.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { predictAlone } from './onnx-alone.ts';
import { mergewright, printed, root } from './program.ts';
import { readPredictions } from './project.ts';

const demo = join(root, 'assets/demo');
const recipePath = join(demo, 'recipe.yaml');
const minutes = 60_000;

const methods = [
  'pretrained',
  'individual',
  'simple_average',
  'task_arithmetic',
  'ties',
  'adamerging_task',
  'adamerging_layer',
  'wemoe_0',
  'wemoe_1',
  'wemoe_2',
];

if (!existsSync(recipePath)) {
  it('the demo', ({ skip }) => skip('assets/demo/recipe.yaml is missing'));
} else {
  describe('the demo', () => {
    let report: Report;
    let recipe: Recipe;

    beforeAll(async () => {
      recipe = resolveRecipePaths(await readRecipe(recipePath), demo);
      const project = join(await temporaryFolder(), 'demo');
      const outcome = await mergewright('demo', '--out', project, '--json');
      report = JSON.parse(printed(outcome)) as Report;
      expect(outcome.err).toMatch(/^wemoe_2 +adapting: .* loss /m);
    }, 15 * minutes);

    function method(id: string): MethodReport {
      const found = report.methods.find((each) => each.id === id);
      if (found === undefined) throw new Error(`the report has no "${id}"`);
      return found;
    }

    const normalized = (id: string): number => method(id).normalizedAverage ?? NaN;
    const wemoe = (): number => Math.max(normalized('wemoe_1'), normalized('wemoe_2'));

    it('reports every method on every one of the eight tasks', () => {
      expect(report.methods.map(({ id }) => id)).toEqual(methods);
      expect(report.tasks).toEqual(recipe.tasks.map(({ id }) => id));
      expect(report.tasks).toHaveLength(8);
      for (const { id, accuracy, average, title } of report.methods) {
        expect(title).not.toBe('');
        expect(Object.keys(accuracy)).toEqual(report.tasks);
        for (const value of [...Object.values(accuracy), average]) {
          expect(value, id).toBeGreaterThanOrEqual(0);
          expect(value, id).toBeLessThanOrEqual(1);
        }
        const sum = Object.values(accuracy).reduce((a, b) => a + b, 0);
        expect(average).toBeCloseTo(sum / 8, 12);
      }
      expect(normalized('individual')).toBe(1);
    });

    it('reaches at least 0.95 of the individual models with WEMoE', () => {
      expect(wemoe()).toBeGreaterThanOrEqual(0.95);
    });

    it('gives the results that come with the benchmark', async () => {
      const path = join(demo, 'runs/demo-0001/report.json');
      const shipped = parseReport(await readFile(path, 'utf8'), path);
      expect(shipped.tasks).toEqual(report.tasks);
      for (const { id, accuracy } of shipped.methods) {
        for (const [task, value] of Object.entries(accuracy)) {
          // Other processors round differently, which turns single images over.
          expect(Math.abs(value - method(id).accuracy[task]!), `${id} ${task}`).toBeLessThan(0.03);
        }
      }
    });

    it.each(['adamerging_layer', 'task_arithmetic', 'pretrained'])('puts WEMoE above %s', (id) => {
      expect(wemoe()).toBeGreaterThan(normalized(id));
    });

    it('leaves the run and the exported model where it says', () => {
      expect(existsSync(join(report.run, 'report.json'))).toBe(true);
      expect(report.exported).not.toBeNull();
      for (const file of ['onnx/model.onnx', 'safetensors/model.safetensors']) {
        expect(existsSync(join(report.exported!, file)), file).toBe(true);
      }
    });

    it('keeps finite routing weights of every image, layer and expert', async () => {
      const file = await openSafetensors(join(report.run, 'routing.safetensors'));
      try {
        const routed = ['wemoe_0', 'wemoe_1', 'wemoe_2'];
        const names = routed.flatMap((id) => report.tasks.map((task) => `${id}/${task}`));
        expect([...file.tensors.keys()].sort()).toEqual(names.sort());
        for (const name of names) {
          const { shape, data } = await file.read(name);
          const task = report.taskDetails.find(({ id }) => name.endsWith(`/${id}`));
          expect([shape[0], shape[2]], name).toEqual([task?.images, 8]);
          expect(shape[1], name).toBeGreaterThan(0);
          expect(data.every(Number.isFinite), name).toBe(true);
        }
      } finally {
        await file.close();
      }
    });

    it(
      'exports an ONNX file that alone predicts the same on 99.9 % of all test images',
      async () => {
        const sets = Object.fromEntries(recipe.tasks.map(({ id, data }) => [id, data]));
        const alone = await predictAlone(join(report.exported!, 'onnx/model.onnx'), sets);
        const own = await readPredictions(report.run, recipe.export!.method);
        let [images, same] = [0, 0];
        for (const { id, images: count } of report.taskDetails) {
          expect([own[id]?.length, alone[id]?.length], id).toEqual([count, count]);
          images += count;
          same += own[id]!.filter((predicted, index) => predicted === alone[id]![index]).length;
        }
        expect(images).toBeGreaterThanOrEqual(8 * 100);
        expect(same / images).toBeGreaterThanOrEqual(0.999);
      },
      15 * minutes,
    );
  });
}
