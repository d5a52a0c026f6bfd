/** Running jobs of tiny projects in tests, and what must be the same about every finished run. */
import type { ChosenEngine } from '../../main/engine/choice.ts';
import { createEngine } from '../../main/engine/choice.ts';
import { tinyConfig } from './tiny-models.ts';
import { filesBelow } from './files.ts';
import type { RunFolder } from '../../main/runs/run-folder.ts';

/** One thread, so that tests that run beside each other do not wait for each other. */
export function tinyEngine(): Promise<ChosenEngine> {
  return createEngine('onnx', { threads: 1 });
}

/** Times differ between runs, and say so in their names. */
const timed = new Set(['run.json', 'timings.jsonl']);

/** Every file of a run but those that hold times, as hexadecimal text by path. */
export async function comparableFiles(run: RunFolder): Promise<Record<string, string>> {
  const files = [...(await filesBelow(run.folder))].filter(([name]) => !timed.has(name));
  return Object.fromEntries(files.map(([name, bytes]) => [name, bytes.toString('latin1')]));
}

/** One block: sessions are made quickly. */
export const briefConfig = { ...tinyConfig, layerCount: 1 };

/** Few steps of two adaptive methods between methods that do not adapt: enough for every kind of event. */
export const briefMethods = [
  { id: 'individual' },
  {
    id: 'adamerging_task',
    method: 'adamerging',
    parameters: { granularity: 'task', steps: 2, learning_rate: 0.01 },
  },
  {
    id: 'wemoe_2',
    method: 'wemoe',
    parameters: { router_layers: 2, steps: 3, learning_rate: 0.01, schedule: 'cosine' },
  },
  { id: 'task_arithmetic' },
];
