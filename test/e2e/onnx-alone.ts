/** Runs an exported ONNX file in a fresh process that knows nothing of this application. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { printed, start } from './program.ts';

const script = fileURLToPath(new URL('./onnx-alone.mjs', import.meta.url));

/** Classes predicted by the file at `path`, alone in a folder; `sets` are descriptions of images by task. */
export async function predictAlone(
  path: string,
  sets: Readonly<Record<string, string>>,
): Promise<Record<string, number[]>> {
  const folder = await temporaryFolder();
  const copy = join(folder, 'model.onnx');
  await copyFile(path, copy);
  const words = Object.entries(sets).map(([task, set]) => `${task}=${set}`);
  const { end } = start(process.execPath, [script, copy, ...words], folder);
  return JSON.parse(printed(await end)) as Record<string, number[]>;
}
