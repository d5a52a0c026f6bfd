/** Methods with a mask for each task write one task's model, or what all tasks share. */
import { AppError } from '../../lib/errors.ts';
import type { Parameter } from '../../lib/parameters.ts';

export const task = {
  kind: 'integer',
  title: 'Task',
  default: 0,
  range: { min: 0, max: 64 },
  help: '0 writes the model of all tasks; k writes the model of the k-th expert alone, which needs the task to be known when it is used.',
} as const satisfies Parameter;

/** The index of the chosen expert, or undefined for all; throws `recipe.invalid_parameter`. */
export function chosenTask(
  chosen: number,
  expertCount: number,
  methodId: string,
): number | undefined {
  if (chosen === 0) return undefined;
  if (chosen <= expertCount) return chosen - 1;
  throw new AppError('recipe.invalid_parameter', {
    what: `task ${chosen} is chosen, and there are ${expertCount} experts`,
    where: `method "${methodId}"`,
    hint: `give a number from 1 to ${expertCount}, or 0 for the model of all tasks`,
  });
}
