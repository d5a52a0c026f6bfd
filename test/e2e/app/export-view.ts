/** The Export view as a person uses it, and the check that what it wrote is what the run had. */
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { predictAlone } from '../onnx-alone.ts';
import { readPredictions } from '../project.ts';
import { currentView, settled, show } from './window.ts';

/** Exports a method of the latest run as ONNX; the folder that the window names when it is done. */
export async function exportAsOnnx(page: Page, method: string): Promise<string> {
  await show(page, 'Export');
  await currentView(page).getByRole('combobox', { name: 'Merged model' }).selectOption(method);
  await settled(page);
  await currentView(page).locator('input[value="dynamic/onnx"]').check({ force: true });
  await currentView(page)
    .getByRole('button', { name: /^Export .* as ONNX$/ })
    .click();
  await currentView(page)
    .getByRole('heading', { name: / is exported$/ })
    .waitFor({ timeout: 120_000 });
  expect(await currentView(page).getByText('Verified.').count()).toBe(1);
  return (await currentView(page).locator('.place .path').textContent()) ?? '';
}

/** Runs an exported model without Mergewright: it says of every image what the run said. */
export async function expectToPredictAlone(
  written: string,
  {
    project,
    run,
    method,
    tasks,
  }: { project: string; run: string; method: string; tasks: readonly string[] },
): Promise<void> {
  const sets = Object.fromEntries(
    tasks.map((task) => [task, join(project, 'tasks', task, 'test.json')]),
  );
  const predicted = await readPredictions(run, method);
  expect(await predictAlone(join(written, 'model.onnx'), sets)).toEqual(
    Object.fromEntries(tasks.map((task) => [task, predicted[task]])),
  );
}
