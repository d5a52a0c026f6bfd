/** Class names and templates as a person edits them: one a line. */
import type { PromptsToEdit } from '../../../main/api/project.ts';

export const usualTemplate = 'a photo of a {}.';

/** The lines of a text that say something. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

export interface PromptProblems {
  readonly classes?: string;
  readonly templates?: string;
}

/** What keeps `prompts` from being used; `expected` is how many classes the images have. */
export function promptProblems(
  { classes, templates }: PromptsToEdit,
  expected: number | undefined,
): PromptProblems {
  const bare = templates.findIndex((template) => !template.includes('{}'));
  const wrongCount = expected !== undefined && classes.length !== expected;
  return {
    ...(classes.length === 0 ? { classes: 'Write at least one class name.' } : {}),
    ...(classes.length > 0 && wrongCount
      ? { classes: `${classes.length} names for images of ${expected} classes.` }
      : {}),
    ...(templates.length === 0 ? { templates: 'Write at least one template.' } : {}),
    ...(bare >= 0 ? { templates: `Line ${bare + 1} has no {} for the class name.` } : {}),
  };
}
