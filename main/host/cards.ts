/** What the Project view shows of checkpoints and tasks, from headers and descriptions alone. */
import { resolve } from 'node:path';
import type { Failure } from '../api/common.ts';
import type { CheckpointCard, TaskCard } from '../api/project.ts';
import type { StoredCheckpoint } from '../checkpoints/checkpoint.ts';
import { openExpert, openModel } from '../checkpoints/open-model.ts';
import { describeImages, describeImageSet } from '../data/labelled-set.ts';
import { modelPath, modelTitle } from '../hub/local.ts';
import { AppError } from '../lib/errors.ts';
import { elementCount } from '../lib/tensor.ts';
import { checkCompatible } from '../merging/compatibility.ts';
import { featureSize, type VisionConfig } from '../models/vision-config.ts';
import { visionArchitecture } from '../models/vision-model.ts';
import { classNamesOf } from '../runs/heads.ts';
import { projectPath, type Materials, type ProjectTask } from '../runs/project.ts';
import { attempt, type Attempt } from './attempt.ts';
import { absoluteHead, headCard } from './head-card.ts';

export interface Cards {
  readonly base: CheckpointCard | null;
  readonly baseProblem: Failure | null;
  readonly tasks: TaskCard[];
}

/** Nothing that cannot be read makes this fail: it becomes the problem of its card. */
export async function projectCards(folder: string, materials: Materials): Promise<Cards> {
  const { base: written } = materials;
  const place =
    written === null ? undefined : await attempt(async () => modelPath(folder, written));
  const basePath = place?.value;
  const base: Attempt<StoredCheckpoint> | undefined =
    basePath === undefined
      ? place && { problem: place.problem }
      : await attempt(() => openModel(basePath));
  try {
    const checkpoint = base?.value;
    const architecture = checkpoint && (await attempt(async () => visionArchitecture(checkpoint)));
    const tasks: TaskCard[] = [];
    for (const task of materials.tasks) {
      tasks.push(await taskCard(folder, task, basePath, checkpoint, architecture?.value));
    }
    return {
      base: checkpoint === undefined ? null : checkpointCard(folder, checkpoint),
      baseProblem: base?.problem ?? architecture?.problem ?? null,
      tasks,
    };
  } finally {
    await base?.value?.close();
  }
}

async function taskCard(
  folder: string,
  task: ProjectTask,
  basePath: string | undefined,
  base: StoredCheckpoint | undefined,
  architecture: VisionConfig | undefined,
): Promise<TaskCard> {
  const { value: expert, problem } = await attempt(async () =>
    openExpert(modelPath(folder, task.expert), basePath),
  );
  let misfit: Failure | null = null;
  if (expert !== undefined) {
    const fits = async () =>
      base === undefined || architecture === undefined
        ? visionArchitecture(expert)
        : checkCompatible(base, [expert]).config;
    misfit = (await attempt(fits)).problem;
    await expert.close();
  }
  const data = await dataCard(folder, task, architecture);
  const unlabelled = await unlabelledCard(folder, task, architecture);
  const head = await headCard(task.head, {
    folder,
    task: task.id,
    base: basePath,
    features: architecture && featureSize(architecture),
    classes: data.value?.classNames.length,
  });
  return {
    id: task.id,
    title: task.title === task.id ? (data.title ?? task.title) : task.title,
    expert: expert === undefined ? null : checkpointCard(folder, expert),
    problem: problem ?? misfit,
    head: head.value ?? null,
    headProblem: head.problem,
    data: data.value ?? null,
    dataProblem: data.problem,
    unlabelled: unlabelled.value ?? null,
    unlabelledProblem: unlabelled.problem,
  };
}

function checkpointCard(folder: string, checkpoint: StoredCheckpoint): CheckpointCard {
  const tensors = [...checkpoint.tensors.values()];
  return {
    title: modelTitle(checkpoint.path),
    location: projectPath(folder, checkpoint.path),
    architecture: architectureText(checkpoint),
    dtypes: [...new Set(tensors.map(({ dtype }) => dtype))].sort(),
    parameters: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    bytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    tensors: tensors.length,
  };
}

function architectureText(checkpoint: StoredCheckpoint): string {
  try {
    const { layerCount, hiddenSize, patchSize, imageSize } = visionArchitecture(checkpoint);
    return `CLIP vision transformer, ${layerCount} layers of ${hiddenSize}, patches of ${patchSize} in ${imageSize} px`;
  } catch (error) {
    if (error instanceof AppError) return 'unknown';
    throw error;
  }
}

async function dataCard(
  folder: string,
  { data: path, head }: ProjectTask,
  architecture: VisionConfig | undefined,
): Promise<Attempt<NonNullable<TaskCard['data']>> & { title?: string }> {
  if (path === null) return { problem: null };
  const location = resolve(folder, path);
  const known = async () => (head === null ? undefined : classNamesOf(absoluteHead(folder, head)));
  const { value: names } = await attempt(known);
  const read = await attempt(() => describeImageSet(location, names));
  if (read.value === undefined) return { problem: read.problem };
  const { title, kind, count, classNames, tile, synthetic, description, licences } = read.value;
  const { labels = [] } = read.value;
  const counts = classNames.map(() => 0);
  const examples = classNames.map((): number | null => null);
  Array.from(labels).forEach((label, image) => {
    counts[label] = (counts[label] ?? 0) + 1;
    examples[label] ??= image;
  });
  return {
    title,
    problem: sizeProblem(tile, architecture, location),
    value: {
      location: projectPath(folder, location),
      kind,
      images: count,
      classNames: [...classNames],
      classCounts: counts,
      classExamples: examples,
      synthetic,
      description,
      licences: [...licences],
    },
  };
}

async function unlabelledCard(
  folder: string,
  { unlabelled: path }: ProjectTask,
  architecture: VisionConfig | undefined,
): Promise<Attempt<NonNullable<TaskCard['unlabelled']>>> {
  if (path === undefined) return { problem: null };
  const location = resolve(folder, path);
  const read = await attempt(() => describeImages(location));
  if (read.value === undefined) return { problem: read.problem };
  const { kind, count: images, tile } = read.value;
  return {
    problem: sizeProblem(tile, architecture, location),
    value: { location: projectPath(folder, location), kind, images },
  };
}

/** Sprite sheets come at one size, which must be that of the encoder. */
function sizeProblem(
  tile: number | undefined,
  architecture: VisionConfig | undefined,
  where: string,
): Failure | null {
  if (architecture === undefined || tile === undefined || architecture.imageSize === tile) {
    return null;
  }
  return new AppError('data.invalid', {
    what: `the images are ${tile} pixels wide, the encoder takes ${architecture.imageSize}`,
    where,
    hint: 'rebuild the image set at the size of the encoder',
  }).failure;
}
