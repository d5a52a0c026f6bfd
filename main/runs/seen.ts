/** The part of a recipe and of its inputs that methods may see: unseen tasks are only measured. */
import type { RunInputs } from './inputs.ts';
import { seenTasks } from './protocol.ts';
import type { Recipe } from './recipe.ts';

/** The context with recipe and inputs of the seen tasks alone; doing it twice changes nothing. */
export function seenPart<
  Context extends { readonly recipe: Recipe; readonly inputs: RunInputs },
>(context: Context): Context {
  const { recipe, inputs } = context;
  if (recipe.unseen === undefined) return context;
  const tasks = seenTasks(recipe);
  const seen = new Set(tasks.map(({ id }) => id));
  const mask = inputs.tasks.map(({ id }) => seen.has(id));
  const only = <Item>(items: readonly Item[]) => items.filter((_, index) => mask[index]);
  return {
    ...context,
    recipe: { ...recipe, tasks, unseen: undefined },
    inputs: {
      ...inputs,
      tasks: only(inputs.tasks),
      experts: only(inputs.experts),
      expertCheckpoints: only(inputs.expertCheckpoints),
    },
  };
}
