/**
 * Class names and prompt templates: what a zero-shot head is made from. Those of the twenty tasks of the
 * CLIP model-merging benchmarks come with the program; others are JSON files of the same form.
 */
import { z } from 'zod';
import bundled from '../../assets/clip/tasks.json' with { type: 'json' };
import { closest } from '../lib/closest.ts';
import { AppError } from '../lib/errors.ts';
import { readTextFile } from '../lib/text-file.ts';

const longestText = 1000;
const name = z.string().trim().min(1).max(longestText);
const template = name.refine((text) => text.includes(slot), 'has no {} for the class name');

/** Stands for the class name in a template. */
const slot = '{}';

export const promptsSchema = z.object({
  /** In the order of the labels. */
  classes: z.array(name).min(1).max(100_000),
  /** Each with `{}` where the class name goes. */
  templates: z.array(template).min(1).max(1000),
});

export type Prompts = z.output<typeof promptsSchema>;

export interface BundledPrompts extends Prompts {
  readonly title: string;
  readonly sources: readonly string[];
  /** What to know about the names. */
  readonly note?: string;
}

/**
 * By the ids of the Hub's collections: the first 8 are the tasks of most papers on merging (task
 * arithmetic, AdaMerging, WEMoE), the first 14 and all 20 those of the TALL-masks benchmarks.
 */
export const bundledPrompts: Readonly<Record<string, BundledPrompts>> = bundled;

/** The bundled task that has exactly these names and templates: `preferred` where that is one. */
export function bundledNameOf({ classes, templates }: Prompts, preferred = ''): string | undefined {
  const same = (a: readonly string[], b: readonly string[]) =>
    a.length === b.length && a.every((text, i) => text === b[i]);
  return [preferred, ...Object.keys(bundledPrompts)].find((id) => {
    const bundle = Object.hasOwn(bundledPrompts, id) ? bundledPrompts[id] : undefined;
    return bundle && same(bundle.classes, classes) && same(bundle.templates, templates);
  });
}

/** Whether prompts are named by the path of a file, not by a bundled task. */
export function isPromptsFile(reference: string): boolean {
  return reference.toLowerCase().endsWith('.json');
}

/**
 * The prompts that `reference` names: a bundled task, or a JSON file with `classes` and `templates`.
 * Throws `text.prompts_unknown`, `text.prompts_invalid`, `file.read_failed`.
 */
export async function readPrompts(reference: string): Promise<Prompts> {
  if (!isPromptsFile(reference)) return namedPrompts(reference);
  const text = await readTextFile(reference);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid('it is not valid JSON', reference, cause);
  }
  const result = promptsSchema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(
    `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(),
    reference,
    result.error,
  );
}

function invalid(what: string, where: string, cause: unknown): AppError {
  return new AppError('text.prompts_invalid', {
    what,
    where,
    hint: 'write {"classes": ["cat", "dog"], "templates": ["a photo of a {}."]}, classes in the order of the labels',
    cause,
  });
}

function namedPrompts(id: string): Prompts {
  const found = Object.hasOwn(bundledPrompts, id) ? bundledPrompts[id] : undefined;
  if (found !== undefined) return found;
  const known = Object.keys(bundledPrompts);
  const meant = closest(id, known);
  throw new AppError('text.prompts_unknown', {
    what: `no class names come with the program for "${id}"`,
    hint: `${meant === undefined ? '' : `did you mean "${meant}"? `}there are: ${known.join(', ')}; or name a .json file`,
  });
}

/** Every prompt, all templates of the first class first. */
export function fillTemplates({ classes, templates }: Prompts): string[] {
  return classes.flatMap((each) => templates.map((text) => text.replaceAll(slot, () => each)));
}
