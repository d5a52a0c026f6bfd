/**
 * What a recipe says about how its methods are tried, beside the methods: tasks that they do not see, corrupted images,
 * batches of mixed tasks. Everything here is optional and left out of a recipe that does not use it.
 */
import { z } from 'zod';
import {
  constantSets,
  corruptions,
  type CorruptionChoice,
} from '../data/corruptions/corruptions.ts';
import { AppError } from '../lib/errors.ts';
import type { RecipePlace } from '../lib/recipe-yaml.ts';

const ids = z.array(z.string()).min(1);

export const protocolSchema = {
  /** Tasks that are measured only: no method is given their experts, or adapts to their images. */
  unseen: ids.optional(),
  /** Corrupts the images of some tasks, of all by default, wherever they are used. */
  corruption: z
    .strictObject({
      kind: z.enum(corruptions.map(({ id }) => id)),
      severity: z.int().min(1).max(5),
      constants: z.enum(constantSets).default('by-size'),
      tasks: ids.optional(),
    })
    .optional(),
};
type Protocol = z.output<z.ZodObject<typeof protocolSchema>>;

interface WithTasks extends Protocol {
  readonly tasks: readonly { readonly id: string; readonly unlabelled?: string | undefined }[];
}

/** Throws `recipe.invalid` where the protocol names tasks that the recipe does not have, or leaves none to see. */
export function refuseProtocol(recipe: WithTasks, place: RecipePlace): void {
  const known = recipe.tasks.map(({ id }) => id);
  const lists = [
    { path: ['unseen'], named: recipe.unseen ?? [] },
    { path: ['corruption', 'tasks'], named: recipe.corruption?.tasks ?? [] },
  ];
  for (const { path, named } of lists) {
    named.forEach((task, index) => {
      const twice = named.indexOf(task) !== index;
      if (known.includes(task) && !twice) return;
      throw new AppError('recipe.invalid', {
        what: twice ? `the task "${task}" is listed twice` : `there is no task "${task}"`,
        where: place([...path, index]),
        hint: twice ? 'list each task once' : `name some of ${known.join(', ')}`,
      });
    });
  }
  if (seenTasks(recipe).length > 0) return;
  throw new AppError('recipe.invalid', {
    what: 'all tasks are unseen, so there is nothing to merge',
    where: place(['unseen']),
    hint: 'leave at least one task out of the list',
  });
}

/** The recipe's part of this, in fixed key order. */
export function formatProtocol({ unseen, corruption }: Protocol): object {
  return {
    ...(unseen && { unseen }),
    ...(corruption && {
      corruption: {
        kind: corruption.kind,
        severity: corruption.severity,
        constants: corruption.constants,
        ...(corruption.tasks && { tasks: corruption.tasks }),
      },
    }),
  };
}

/** The tasks whose experts are merged and whose images are adapted to. */
export function seenTasks<Task extends { readonly id: string }>({
  tasks,
  unseen = [],
}: {
  readonly tasks: readonly Task[];
  readonly unseen?: readonly string[] | undefined;
}): Task[] {
  return tasks.filter(({ id }) => !unseen.includes(id));
}

/** How the images of a task are corrupted; undefined where they are not. */
export function corruptionOf(
  { corruption }: Pick<Protocol, 'corruption'>,
  task: string,
): CorruptionChoice | undefined {
  if (corruption === undefined || corruption.tasks?.includes(task) === false) return undefined;
  const { kind, severity, constants } = corruption;
  return { kind, severity, constants };
}

/** In words, which images methods that learn adapt to. */
export function adaptationDataText(recipe: WithTasks): string {
  return dataText(recipe, corruptionText(recipe));
}

/**
 * The same of several recipes, each text once. Where some differ in the corruption alone, one text stands for them,
 * with `elsewhere` in its place: what says of each how it is corrupted.
 */
export function adaptationDataTexts(recipes: readonly WithTasks[], elsewhere: string): string[] {
  const plain = new Set(recipes.map((recipe) => dataText(recipe, '')));
  return [...plain].flatMap((text) => {
    const same = recipes.filter((recipe) => dataText(recipe, '') === text);
    const texts = new Set(same.map(adaptationDataText));
    const [first] = same;
    return texts.size > 1 && first !== undefined ? dataText(first, `, ${elsewhere}`) : [...texts];
  });
}

function corruptionText({ corruption }: WithTasks): string {
  if (corruption === undefined) return '';
  const { kind, severity, tasks } = corruption;
  const which = tasks === undefined ? 'all' : `those of ${tasks.join(', ')}`;
  return `, ${which} with ${titleOf(kind)} of severity ${String(severity)}`;
}

function dataText(recipe: WithTasks, how: string): string {
  const seen = recipe.unseen === undefined ? 'every task' : seenTasks(recipe).map(({ id }) => id);
  const tasks = typeof seen === 'string' ? seen : seen.join(', ');
  const own = seenTasks(recipe).filter(({ unlabelled }) => unlabelled !== undefined);
  if (own.length === seenTasks(recipe).length) {
    return `images of ${tasks} that are not measured on, without labels${how}`;
  }
  const but =
    own.length === 0 ? '' : `, but for ${own.map(({ id }) => id).join(', ')}: images of their own`;
  return `the test images of ${tasks} without their labels${how} (transductive, as in the papers of AdaMerging and WEMoE)${but}`;
}

function titleOf(kind: string): string {
  return (corruptions.find(({ id }) => id === kind)?.title ?? kind).toLowerCase();
}
