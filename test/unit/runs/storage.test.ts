/** Runs that keep frozen weights in fp16. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../main/checkpoints/safetensors.ts';
import { halved } from '../../../main/checkpoints/half-tensor.ts';
import type { ChosenEngine } from '../../../main/engine/choice.ts';
import { isHalf } from '../../../main/lib/tensor.ts';
import { loadInputs } from '../../../main/runs/inputs.ts';
import { runJob } from '../../../main/runs/job.ts';
import { learnedIn } from '../../../main/runs/method-result.ts';
import { prepareMethod } from '../../../main/runs/prepare-method.ts';
import { parseRecipe, recipeHash, resolveRecipePaths } from '../../../main/runs/recipe.ts';
import type { Report } from '../../../main/runs/report.ts';
import { engineOf, engineToGoOn } from '../../../main/runs/run-engine.ts';
import type { RunFolder } from '../../../main/runs/run-folder.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTinyProject, type TinyProject } from '../../support/tiny-project.ts';
import { briefConfig, briefMethods, comparableFiles } from '../../support/tiny-run.ts';

const storage = 'fp16' as const;
const kept = { id: 'onnx', threads: 1, storage } as const;

let project: TinyProject;
let engine: ChosenEngine;
let run: RunFolder;
let report: Report;

beforeAll(async () => {
  const methods = [...briefMethods, { id: 'twin_merging', parameters: { steps: 2 } }];
  project = await createTinyProject(await temporaryFolder(), methods, briefConfig);
  run = await project.createRun({
    engine: kept,
    export: { method: 'wemoe_2', formats: ['safetensors'], mode: 'dynamic' },
  });
  engine = await engineToGoOn(run);
  report = await runJob(run, { engine });
});

describe('a run with fp16 storage', () => {
  it('says so in its report, its log and what it exports', async () => {
    expect(report.engine.precision).toBe('fp32, weights stored as fp16');
    expect(await readFile(run.eventsPath, 'utf8')).toContain('fp32, weights stored as fp16');
    expect(await readFile(run.recipePath, 'utf8')).toMatch(/ {2}storage: fp16\n/);
    const card = await readFile(join(run.exportedFolder, 'README.md'), 'utf8');
    expect(card).toContain('kept frozen weights in float16 and computed in float32');
  });

  it('gives the same bytes again', async () => {
    const again = await project.createRun({
      engine: kept,
      export: { method: 'wemoe_2', formats: ['safetensors'], mode: 'dynamic' },
    });
    await runJob(again, { engine: await engineToGoOn(again) });
    expect(await comparableFiles(again)).toEqual(await comparableFiles(run));
  });

  it('exports the rounded weights that it measured', async () => {
    const file = await openSafetensors(join(run.exportedFolder, 'model.safetensors'));
    let matrices = 0;
    for (const [name, { shape }] of file.tensors) {
      // What was learned is as it was.
      if (name.includes('router') || shape.length < 2) continue;
      const tensor = await file.read(name);
      if (tensor.data.length < 256) continue;
      matrices++;
      expect(halved(name, tensor).data, name).toEqual(tensor.data);
    }
    await file.close();
    expect(matrices).toBeGreaterThan(6);
  });

  it('keeps the frozen weights of every kind of merge in fp16, and learns in fp32', async () => {
    const recipe = resolveRecipePaths({ ...project.recipe, engine: kept }, project.folder);
    const inputs = await loadInputs(recipe);
    const context = { recipe, inputs, engine, signal: undefined, learned: learnedIn([]) };
    for (const id of ['wemoe_2', 'adamerging_task', 'task_arithmetic']) {
      const entry = recipe.methods.find((method) => method.id === id)!;
      const { model } = (await prepareMethod(entry, context))!;
      const large = [...model.constants].filter(
        ([, { shape }]) => shape.length > 1 && shape.reduce((a, b) => a * b, 1) >= 256,
      );
      expect(large.length, id).toBeGreaterThan(5);
      for (const [name, tensor] of large) expect(isHalf(tensor), `${id} ${name}`).toBe(true);
      for (const { initial } of model.trainables) expect(initial).toBeInstanceOf(Float32Array);
    }
    await inputs.close();
  });

  it('is another run than one in fp32, which does not say a word', async () => {
    const plain = await project.createRun({ engine: { id: 'onnx', threads: 1 } });
    const wide = await runJob(plain, { engine: await engineToGoOn(plain) });
    expect(wide.engine.precision).toBe('fp32');
    expect(await readFile(plain.eventsPath, 'utf8')).not.toContain('fp16');
    await expectFailure(
      engineOf({ ...project.recipe, engine: { id: 'tfjs', storage } }, project.folder),
      'engine.unavailable',
    );
  });
});

describe('storage in a recipe', () => {
  const text = (engine: string) =>
    `schema: 1\nname: r\nbase: b\ntasks: [{ id: t, expert: e, head: h, data: d }]\nmethods: [{ id: individual }]\n${engine}`;
  const hash = (engine: string) => recipeHash(parseRecipe(text(engine), 'recipe.yaml'));

  it('is fp32 where nothing is said, and the same recipe where fp32 is said', () => {
    expect(hash('engine: { id: onnx, storage: fp32 }')).toBe(hash('engine: { id: onnx }'));
    expect(hash('engine: { id: onnx, storage: fp16 }')).not.toBe(hash('engine: { id: onnx }'));
  });

  it('is one of two', async () => {
    await expectFailure(
      () => parseRecipe(text('engine: { storage: bf16 }'), 'recipe.yaml'),
      'recipe.invalid',
    );
  });
});
