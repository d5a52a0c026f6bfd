/**
 * The models an experiment is made with: a base, its experts with heads and images, groups of tasks, and the settings
 * that methods need on them.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import clip from '../../../assets/recipes/models/clip.json' with { type: 'json' };
import demo from '../../../assets/recipes/models/demo.json' with { type: 'json' };
import { closest } from '../../lib/closest.ts';
import { AppError } from '../../lib/errors.ts';
import { parseRecipeYaml } from '../../lib/recipe-yaml.ts';
import { readTextFile } from '../../lib/text-file.ts';
import { findLocalModel, writtenModel } from '../../hub/local.ts';
import { requireHubName } from '../../hub/name.ts';
import { findPreset, requirePreset } from '../../hub/presets.ts';
import type { Materials } from '../project.ts';
import { idSchema, pathSchema, taskSchema } from '../recipe-task.ts';

type Task = z.output<typeof taskSchema>;

const method = z.strictObject({
  id: idSchema,
  method: idSchema.optional(),
  parameters: z.record(z.string(), z.json()).optional(),
});

/** What else of a recipe belongs to the models; the recipe's own reader checks it. */
const group = z.record(z.string(), z.json());
const settings = {
  /** Tasks that experiments call by what they are chosen for. */
  groups: z.record(z.string(), z.array(idSchema).min(1)),
  /** In the order of tables. */
  methods: z.array(method).min(1),
  adaptation: group.optional(),
  evaluation: group.optional(),
  engine: group.optional(),
};
const models = { title: z.string().trim().min(1), base: pathSchema, tasks: z.array(taskSchema).min(1) };

const fileSchema = z.strictObject({
  schema: z.literal(1),
  ...models,
  /** The bundled models whose settings these have, where they are not given. */
  like: z.enum(['demo', 'clip']).default('clip'),
  groups: settings.groups.optional(),
  methods: settings.methods.optional(),
  adaptation: settings.adaptation,
  evaluation: settings.evaluation,
  engine: settings.engine,
});

export interface ModelSet extends Pick<z.output<z.ZodObject<typeof settings>>, 'groups' | 'methods'> {
  readonly title: string;
  /** What paths are relative to. */
  readonly folder: string;
  readonly base: string;
  readonly tasks: readonly Task[];
  readonly recipe: Readonly<Record<string, unknown>>;
}

const demoModels = z.strictObject({ ...models, ...settings }).parse(demo);
const clipModels = z.strictObject({ presets: z.array(z.string()), ...settings }).parse(clip);
const bundled = { demo: demoModels, clip: clipModels };

/** Names of the models that experiments know. */
export const modelSetNames: readonly string[] = ['demo', ...clipModels.presets];

export interface ModelPlaces {
  /** The folder of the bundled demo. */
  readonly demo: string;
  /** The folder of image sets, for models that come without. */
  readonly data?: string | undefined;
}

/** The set called `name`, or that of a YAML or JSON file. Throws `experiment.unknown_models` and what reading throws. */
export async function readModelSet(name: string, places: ModelPlaces): Promise<ModelSet> {
  if (/\.(ya?ml|json)$/.test(basename(name))) return readModelFile(name);
  if (name === 'demo') return setOf(demoModels, demoModels, places.demo);
  if (clipModels.presets.includes(name)) return presetModels(name, places.data ?? '.');
  const meant = closest(name, modelSetNames);
  throw new AppError('experiment.unknown_models', {
    what: `there are no models "${name}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`,
    hint: `there are ${modelSetNames.join(', ')}; or name a file of models, ending in .yaml or .json`,
  });
}

async function readModelFile(path: string): Promise<ModelSet> {
  const { value } = parseRecipeYaml(await readTextFile(path), path, fileSchema);
  const { groups, methods } = bundled[value.like];
  const { adaptation, evaluation, engine } = value;
  const own = {
    groups: value.groups ?? groups,
    methods: value.methods ?? methods,
    adaptation,
    evaluation,
    engine,
  };
  return setOf(value, own, dirname(resolve(path)));
}

type Settings = z.output<z.ZodObject<typeof settings>>;
type Models = z.output<z.ZodObject<typeof models>>;

function setOf({ title, base, tasks }: Models, own: Settings, folder: string): ModelSet {
  const { groups, methods, adaptation, evaluation, engine } = own;
  const recipe = {
    ...(adaptation && { adaptation }),
    ...(evaluation && { evaluation }),
    ...(engine && { engine }),
  };
  return { title, folder, base, tasks, groups, methods, recipe };
}

/** Image sets are found by the names of their tasks in `data`. */
function presetModels(id: string, data: string): ModelSet {
  const { title, base, experts } = requirePreset(id);
  const folder = resolve(data);
  const tasks = experts.map(({ task, model }) => ({
    id: task,
    expert: pinned(model),
    head: { prompts: task },
    data: imagesIn(folder, task),
  }));
  return setOf({ title, base: pinned(base), tasks }, clipModels, folder);
}

/** The commit is named where the model is on this machine, so that the recipe means the same everywhere. */
function pinned(repository: string): string {
  const written = `hub:${repository}`;
  const folder = findLocalModel(requireHubName(written));
  return (folder === undefined ? undefined : writtenModel(folder)) ?? written;
}

const imageSuffixes = ['', '.parquet', '.csv', '.json'];

function imagesIn(folder: string, task: string): string {
  const names = imageSuffixes.map((suffix) => `${task}${suffix}`);
  return names.find((name) => existsSync(join(folder, name))) ?? task;
}

/**
 * The materials of a project as models of experiments, with the settings of the bundled models that have the same
 * tasks. Throws `experiment.unknown_models` where there are none, and `project.incomplete`.
 */
export function projectModels({ base, tasks }: Materials, folder: string): ModelSet {
  const sets = [
    { title: demoModels.title, ids: demoModels.tasks.map(({ id }) => id), own: demoModels },
    ...clipModels.presets.flatMap((preset) => {
      const { title, experts } = findPreset(preset) ?? { title: preset, experts: [] };
      return [{ title, ids: experts.map(({ task }) => task), own: clipModels }];
    }),
  ];
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const found = sets.find(({ ids }) => ids.length > 0 && ids.every((id) => byId.has(id)));
  if (found === undefined) {
    throw new AppError('experiment.unknown_models', {
      what: 'experiments need the tasks of the bundled benchmark or of a CLIP collection, and the project has others',
      where: folder,
      hint: `open a project with the tasks ${sets.map(({ ids }) => ids.join(', ')).join(', or ')}; or write a file of models and use "mergewright experiment --models"`,
    });
  }
  const complete = found.ids.map((id) => {
    const { expert, head = null, data = null, unlabelled } = byId.get(id) ?? { expert: '' };
    if (head === null || data === null) throw incomplete(`task "${id}"`, head, folder);
    return { id, expert, head, data, ...(unlabelled === undefined ? {} : { unlabelled }) };
  });
  if (base === null) throw incomplete('the project', base, folder);
  return setOf({ title: found.title, base, tasks: complete }, found.own, folder);
}

function incomplete(what: string, head: unknown, where: string): AppError {
  const lacks = what === 'the project' ? 'base model' : head === null ? 'head' : 'image set';
  return new AppError('project.incomplete', {
    what: `${what} has no ${lacks}`,
    where,
    hint: 'choose it in the Project view first',
  });
}
