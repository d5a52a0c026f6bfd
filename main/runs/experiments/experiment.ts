/**
 * An experiment: methods, and the recipes in which they are tried, as data. It says nothing of models; together with a
 * set of models (model-set.ts) it expands to ordinary recipes (expand.ts).
 */
import { basename } from 'node:path';
import { z } from 'zod';
import adamerging from '../../../assets/recipes/adamerging.json' with { type: 'json' };
import lambda from '../../../assets/recipes/lambda.json' with { type: 'json' };
import main from '../../../assets/recipes/main.json' with { type: 'json' };
import mixedBatches from '../../../assets/recipes/mixed-batches.json' with { type: 'json' };
import numberOfTasks from '../../../assets/recipes/number-of-tasks.json' with { type: 'json' };
import objective from '../../../assets/recipes/objective.json' with { type: 'json' };
import reduction from '../../../assets/recipes/reduction.json' with { type: 'json' };
import robustness from '../../../assets/recipes/robustness.json' with { type: 'json' };
import routerDepth from '../../../assets/recipes/router-depth.json' with { type: 'json' };
import storage from '../../../assets/recipes/storage.json' with { type: 'json' };
import unseen from '../../../assets/recipes/unseen.json' with { type: 'json' };
import { closest } from '../../lib/closest.ts';
import { AppError } from '../../lib/errors.ts';
import { parseRecipeYaml } from '../../lib/recipe-yaml.ts';
import { readTextFile } from '../../lib/text-file.ts';
import { idSchema } from '../recipe-task.ts';
import { combinations, labelOf, type Settings } from './grid.ts';

const setting = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.array(z.union([z.string(), z.number()])),
]);
/** A key of a recipe by its path: "corruption.kind". */
const path = z.string().regex(/^[a-z]+(\.[a-z_]+)*$/, 'keys of a recipe, separated by points');
const parameters = z.record(z.string(), setting);
const choices = z.array(setting).min(1);

const variedMethod = z.strictObject({
  id: idSchema,
  /** The method of the models' list that it is, but for these parameters; that with its id by default. */
  like: idSchema.optional(),
  title: z.string().optional(),
  parameters: parameters.default({}),
  /** One method for every combination of these values. */
  vary: z.record(z.string(), choices).default({}),
});

/** Which part of the results makes the table. */
const layout = z.strictObject({
  /** A column for each task, or for each value of a key of the recipes, of a parameter, or number of tasks. */
  columns: z.union([z.literal(['tasks', 'task-count']), path]).default('tasks'),
  /** What the cells of columns other than tasks hold. */
  measure: z.enum(['average', 'unseen', 'normalized']).default('average'),
});
export type Layout = z.output<typeof layout>;

export const experimentSchema = z.strictObject({
  schema: z.literal(1),
  name: idSchema.max(40),
  title: z.string().trim().min(1).max(200),
  about: z.string().trim().min(1).max(2000),
  /** Tables of assets/published whose rows stand beside those of the same methods. */
  published: z.array(z.string()).default([]),
  /** Keys of every recipe; `tasks` is a group of the models, ids, or how many from the first. */
  set: z.record(path, setting).default({}),
  methods: z.array(z.union([idSchema, variedMethod])).min(1),
  runs: z
    .array(
      z.strictObject({
        name: idSchema.optional(),
        set: z.record(path, setting).default({}),
        /** One run for every combination of these values. */
        grid: z.record(path, choices).default({}),
      }),
    )
    .min(1)
    .default([{ set: {}, grid: {} }]),
  table: layout.prefault({}),
});
export type Experiment = z.output<typeof experimentSchema>;

/** The experiments that come with the program. */
export const experiments: readonly Experiment[] = [
  main,
  adamerging,
  routerDepth,
  lambda,
  numberOfTasks,
  unseen,
  robustness,
  mixedBatches,
  reduction,
  objective,
  storage,
].map((file) => experimentSchema.parse(file));

/** The bundled experiment `name`. Throws `experiment.unknown`. */
export function requireExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (found !== undefined) return found;
  const names = experiments.map((experiment) => experiment.name);
  const meant = closest(name, names);
  throw new AppError('experiment.unknown', {
    what: `there is no experiment "${name}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`,
    hint: `there are ${names.join(', ')}; or name the file of one, ending in .yaml or .json`,
  });
}

/** A bundled experiment by its name, or that of a YAML or JSON file. */
export async function readExperiment(nameOrPath: string): Promise<Experiment> {
  if (!/\.(ya?ml|json)$/.test(basename(nameOrPath))) return requireExperiment(nameOrPath);
  return parseRecipeYaml(await readTextFile(nameOrPath), nameOrPath, experimentSchema).value;
}

/** A method of an experiment, with the values that tell it from the others of its row. */
export interface MethodVariant {
  readonly id: string;
  /** Its entry in the experiment; the id itself where nothing is varied. */
  readonly origin: string;
  readonly like: string;
  readonly title: string | undefined;
  /** What it changes of the models' parameters; with the varied ones. */
  readonly parameters: Settings;
  readonly varied: Settings;
}

export function methodVariants({ methods }: Pick<Experiment, 'methods'>): MethodVariant[] {
  return methods.flatMap((entry) => {
    const { id, like, title, parameters, vary } =
      typeof entry === 'string' ? variedMethod.parse({ id: entry }) : entry;
    return combinations(vary).map((varied) => ({
      id: [id, labelOf(varied, '_')].filter(Boolean).join('_'),
      origin: id,
      like: like ?? id,
      title,
      parameters: { ...parameters, ...varied },
      varied,
    }));
  });
}

/** A run of an experiment: what it is called within, and the keys of its recipe. */
export interface RunVariant {
  /** Empty for an experiment of a single run. */
  readonly label: string;
  readonly set: Settings;
}

export function runVariants({ set: shared, runs }: Pick<Experiment, 'set' | 'runs'>): RunVariant[] {
  return runs.flatMap(({ name, set, grid }) =>
    combinations(grid).map((point) => ({
      label: [name ?? '', labelOf(point, '-')].filter(Boolean).join('-'),
      set: { ...shared, ...set, ...point },
    })),
  );
}

/** The name of the recipe of a run. */
export function runName({ name }: Pick<Experiment, 'name'>, { label }: RunVariant): string {
  return [name, label].filter(Boolean).join('-');
}
