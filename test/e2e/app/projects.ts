/** Projects for the application: the demo's real checkpoints and images, but fewer of them. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { writeSafetensors, type TensorToWrite } from '../../../main/checkpoints/writer.ts';
import { elementCount } from '../../../main/lib/tensor.ts';
import { formatRecipe, parseRecipe, type Recipe } from '../../../main/runs/recipe.ts';
import { engineOf } from '../../../main/runs/run-engine.ts';
import { runJob } from '../../../main/runs/job.ts';
import { createRun, type RunFolder } from '../../../main/runs/run-folder.ts';
import { root } from '../program.ts';

const demo = join(root, 'assets/demo');

export interface SmallDemo {
  readonly tasks: readonly string[];
  /** Of each task. */
  readonly images: number;
  readonly methods: readonly object[];
  readonly batch: number;
}

interface Sheet {
  readonly labels: readonly number[];
  readonly groups?: readonly number[];
}

/** The first images of a task; the sheet itself stays as it is. */
async function copyTask(task: string, folder: string, images: number): Promise<void> {
  await cp(join(demo, 'tasks', task), join(folder, 'tasks', task), { recursive: true });
  const file = join(folder, 'tasks', task, 'test.json');
  const sheet = JSON.parse(await readFile(file, 'utf8')) as Sheet;
  const fewer = {
    ...sheet,
    count: images,
    labels: sheet.labels.slice(0, images),
    ...(sheet.groups === undefined ? {} : { groups: sheet.groups.slice(0, images) }),
  };
  await writeFile(file, JSON.stringify(fewer));
}

/** Writes a project into `folder` whose recipe.yaml is its first draft. */
export async function createSmallDemo(
  folder: string,
  { tasks, images, methods, batch }: SmallDemo,
): Promise<Recipe> {
  await mkdir(folder, { recursive: true });
  await cp(join(demo, 'base'), join(folder, 'base'), { recursive: true });
  for (const task of tasks) {
    await cp(join(demo, 'experts', task), join(folder, 'experts', task), { recursive: true });
    await cp(
      join(demo, 'heads', `${task}.safetensors`),
      join(folder, 'heads', `${task}.safetensors`),
    );
    await copyTask(task, folder, images);
  }
  const file = join(folder, 'recipe.yaml');
  const recipe = parseRecipe(
    JSON.stringify({
      schema: 1,
      name: 'small',
      seed: 3,
      base: 'base',
      tasks: tasks.map((id) => ({
        id,
        expert: `experts/${id}`,
        head: `heads/${id}.safetensors`,
        data: `tasks/${id}/test.json`,
      })),
      methods,
      adaptation: { batch },
      // One thread leaves the other processor to the window, on the smallest machine too.
      engine: { id: 'onnx', threads: 1 },
    }),
    file,
  );
  await writeFile(file, formatRecipe(recipe));
  return recipe;
}

/** Gives one tensor of a model another shape, as in a checkpoint of another architecture. */
export async function narrowModel(
  folder: string,
  tensor: string,
  shape: readonly number[],
): Promise<void> {
  const file = join(folder, 'model.safetensors');
  const model = await openCheckpoint(file);
  const tensors: TensorToWrite[] = [];
  for (const name of model.tensors.keys()) {
    const { shape: former, data } = await model.read(name);
    const narrow = name === tensor;
    tensors.push({
      name,
      dtype: 'F32',
      shape: narrow ? shape : former,
      data: narrow ? data.slice(0, elementCount(shape)) : data,
    });
  }
  await model.close();
  await writeSafetensors(file, tensors, new Map());
}

/** Does a run in this process, from beginning to end; paths of the recipe are relative to the project. */
export async function runWithoutWindow(project: string, recipe: Recipe): Promise<RunFolder> {
  const run = await createRun(project, recipe, project);
  await runJob(run, { engine: await engineOf(recipe, project) });
  return run;
}
