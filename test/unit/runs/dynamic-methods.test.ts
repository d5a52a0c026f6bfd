/** The dynamic methods that keep less than whole task vectors, through a whole run: adapted, measured, exported. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChosenEngine } from '../../../main/engine/choice.ts';
import { loadExported } from '../../../main/exporting/load.ts';
import { CancelledError } from '../../../main/lib/errors.ts';
import { exportRun } from '../../../main/runs/export-run.ts';
import { modelSizes } from '../../../main/runs/estimate.ts';
import { loadInputs } from '../../../main/runs/inputs.ts';
import { loadFinishedRun, runJob } from '../../../main/runs/job.ts';
import { loadRouting } from '../../../main/runs/method-result.ts';
import type { Report } from '../../../main/runs/report.ts';
import type { RunFolder } from '../../../main/runs/run-folder.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject, type TinyProject } from '../../support/tiny-project.ts';
import { briefConfig, comparableFiles, tinyEngine } from '../../support/tiny-run.ts';

const loop = { steps: 2, learning_rate: 0.01 };
const methods = [
  { id: 'e_wemoe', parameters: { ...loop, density: 0.2 } },
  {
    id: 'rank_wemoe',
    parameters: { ...loop, rank: 2, routed: 'block', learn_factors: true, objective: 'distillation' },
  },
  { id: 'twin_merging', parameters: { ...loop, density: 0.2 } },
  { id: 'smile', parameters: { rank: 4, gate: 2 } },
];

let engine: ChosenEngine;
let project: TinyProject;
let run: RunFolder;
let report: Report;

beforeAll(async () => {
  engine = await tinyEngine();
  project = await createTinyProject(await temporaryFolder(), methods, briefConfig);
  run = await project.createRun();
  report = await runJob(run, { engine });
});

it('ends with the same bytes when it is cancelled over and over', { timeout: 120_000 }, async () => {
  const again = await project.createRun();
  let interruptions = 0;
  for (let done = false; !done;) {
    const controller = new AbortController();
    let events = 0;
    const onEvent = () => {
      // One more than a method logs that has no steps.
      if (++events === 5) controller.abort();
    };
    const going = runJob(again, { engine, signal: controller.signal, onEvent, saveIntervalMs: 0 });
    done = await going.then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof CancelledError) || ++interruptions > 20) throw error;
        return false;
      },
    );
  }
  expect(interruptions).toBeGreaterThan(2);
  expect(await comparableFiles(again)).toEqual(await comparableFiles(run));
});

describe.each(methods.map(({ id }) => id))('%s', (id) => {
  it('reports what it learned and how large it is', () => {
    const entry = project.recipe.methods.find((method) => method.id === id)!;
    const sizes = modelSizes(entry, { config: briefConfig, images: [7, 7] })!;
    const found = report.methods.find((method) => method.id === id)!;
    expect(found.modelParameters).toBe(sizes.total);
    expect(found.trainableParameters).toBe(sizes.trainable === 0 ? undefined : sizes.trainable);
    expect(found.reduction?.evaluation).toBe('per-sample');
  });

  it('leaves routing weights of every image', async () => {
    const routing = await loadRouting(run, id);
    expect([...routing.keys()]).toEqual(['digits', 'shapes']);
    for (const { shape, data } of routing.values()) {
      expect(shape).toEqual([7, 1, 2]);
      expect(data.every(Number.isFinite)).toBe(true);
    }
  });

  it('is exported dynamic in both formats, verified, and read back', async () => {
    const finished = await loadFinishedRun(run, engine, (recipe) => loadInputs(recipe));
    const target = join(run.folder, `out-${id}`);
    const { results } = await exportRun(finished, {
      method: id,
      formats: ['safetensors', 'onnx'],
      mode: 'dynamic',
      target,
    });
    for (const { kind, verification } of results) {
      expect(kind).toBe('dynamic');
      expect(verification.map(({ what }) => what).join()).toContain('features');
    }
    const loaded = await loadExported(join(target, 'safetensors'));
    expect(loaded.model.form?.kind).toBe(id === 'e_wemoe' ? 'wemoe' : id.replace('_merging', ''));
  });

  it('is folded to one weight set with its mean routing weights', async () => {
    const finished = await loadFinishedRun(run, engine, (recipe) => loadInputs(recipe));
    const target = join(run.folder, `fold-${id}`);
    const { accuracy, results } = await exportRun(finished, {
      method: id,
      formats: ['safetensors'],
      mode: 'static',
      target,
    });
    expect(Object.keys(accuracy)).toEqual(['digits', 'shapes']);
    expect(results[0]!.kind).toBe('static');
  });
});
