/** What a run left in its folder, read by the rooms of main/ and not by the application under test. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import type { Report } from '../../../main/api/report.ts';

/** Folders of a project's runs, the oldest first. */
export function runFolders(project: string): string[] {
  return readdirSync(join(project, 'runs'))
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => join(project, 'runs', name));
}

export async function reportOf(run: string): Promise<Report> {
  return JSON.parse(await readFile(join(run, 'report.json'), 'utf8')) as Report;
}

interface Event {
  readonly type: string;
  readonly method?: string;
  readonly step?: number;
  readonly loss?: number;
}

export async function eventsOf(run: string): Promise<Event[]> {
  const text = await readFile(join(run, 'events.jsonl'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

/** Steps of adaptation that are on disk. */
export async function stepsOf(run: string): Promise<number> {
  return (await eventsOf(run)).filter(({ type }) => type === 'adaptation.step').length;
}

/** Mean λ over the images, by "layer/source task/expert", from routing.safetensors alone. */
export async function meanRoutingOf(
  run: string,
  method: string,
  tasks: readonly string[],
): Promise<Map<string, number>> {
  const file = await openCheckpoint(join(run, 'routing.safetensors'));
  try {
    const means = new Map<string, number>();
    for (const task of tasks) {
      const { shape, data } = await file.read(`${method}/${task}`);
      const [images = 0, layers = 0, experts = 0] = shape;
      for (let layer = 0; layer < layers; layer++) {
        for (let k = 0; k < experts; k++) {
          let sum = 0;
          for (let image = 0; image < images; image++) {
            sum += data[(image * layers + layer) * experts + k] ?? Number.NaN;
          }
          means.set(`${layer}/${task}/${tasks[k] ?? ''}`, sum / images);
        }
      }
    }
    return means;
  } finally {
    await file.close();
  }
}
