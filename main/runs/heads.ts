/** The heads of a recipe's tasks: files, or zero-shot heads made from class names and templates. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { openCheckpoint } from '../checkpoints/open.ts';
import { AppError } from '../lib/errors.ts';
import { loadHead, scaledHead, type Head } from '../models/head.ts';
import { openHeadMaker, type HeadMaker, type HeadMakerOptions } from '../text/head-maker.ts';
import { isPromptsFile, promptsSchema, readPrompts, type Prompts } from '../text/prompts.ts';

const path = z.string().min(1).max(4096);

/** A head made by CLIP's text encoder (see main/text). */
const zeroShotHeadSchema = z.strictObject({
  /** A task whose class names come with the program, the path of a .json file, or classes and templates. */
  prompts: z.union([path, z.strictObject(promptsSchema.shape)], {
    error:
      'the name of a bundled task, the path of a .json file, or a group of "classes" and "templates"',
  }),
  /** Folder of a whole CLIP model; the base model unless another is named. */
  model: path.optional(),
});

/** How a recipe or a project names a head: the path of a file, or what to make it from. */
export const headSchema = z.union([path, zeroShotHeadSchema], {
  error: 'the path of a head, or a group with "prompts"',
});

export type HeadEntry = z.output<typeof headSchema>;
export type ZeroShotHeadEntry = z.output<typeof zeroShotHeadSchema>;

/** The entry with its paths put through `change`, that of the CLIP model through `changeModel`. */
export function withHeadPaths(
  entry: HeadEntry,
  change: (path: string) => string,
  changeModel = change,
): HeadEntry {
  if (typeof entry === 'string') return change(entry);
  const { prompts, model } = entry;
  return {
    prompts: typeof prompts === 'string' && isPromptsFile(prompts) ? change(prompts) : prompts,
    ...(model === undefined ? {} : { model: changeModel(model) }),
  };
}

/** What an entry stands for in messages. */
export function headPlace(entry: HeadEntry): string {
  if (typeof entry === 'string') return entry;
  return typeof entry.prompts === 'string' ? `prompts of ${entry.prompts}` : 'prompts of the recipe';
}

/** The class names and templates of an entry. Throws what `readPrompts` throws. */
export async function promptsOf({ prompts }: ZeroShotHeadEntry): Promise<Prompts> {
  return typeof prompts === 'string' ? readPrompts(prompts) : prompts;
}

/** Names of a task's classes where its head is made from them. Throws what `readPrompts` throws. */
export async function classNamesOf(entry: HeadEntry): Promise<readonly string[] | undefined> {
  return typeof entry === 'string' ? undefined : (await promptsOf(entry)).classes;
}

export interface HeadReader {
  /** Throws what heads, tokenizers and weights throw, and CancelledError. */
  read(
    entry: HeadEntry,
    task: { readonly id: string; readonly features: number },
    signal?: AbortSignal,
  ): Promise<Head>;
  close(): Promise<void>;
}

/** Reads heads whose paths are absolute; every CLIP model is opened and loaded at most once. */
export function headReader(base: string, options: HeadMakerOptions = {}): HeadReader {
  const makers = new Map<string, HeadMaker>();
  const makerOf = async (model: string): Promise<HeadMaker> => {
    const found = makers.get(model) ?? (await openHeadMaker(model, options));
    makers.set(model, found);
    return found;
  };
  return {
    read: async (entry, { id, features }, signal) => {
      if (typeof entry === 'string') return readHeadFile(entry, id, features);
      const model = resolve(entry.model ?? base);
      const prompts = await promptsOf(entry);
      const made = await (await makerOf(model)).make(prompts, { signal });
      const width = made.weight.shape[1] ?? 0;
      if (width === features) return scaledHead(id, made);
      throw new AppError('model.shape_mismatch', {
        what: `the text encoder gives ${String(width)} features, the image encoder of task "${id}" gives ${String(features)}`,
        where: model,
        hint:
          entry.model === undefined
            ? 'use a whole CLIP model with its visual projection as the base'
            : 'name the CLIP model that the base model comes from',
      });
    },
    close: async () => {
      for (const maker of makers.values()) await maker.close();
      makers.clear();
    },
  };
}

async function readHeadFile(file: string, task: string, features: number): Promise<Head> {
  const checkpoint = await openCheckpoint(file);
  try {
    return await loadHead(checkpoint, task, features);
  } finally {
    await checkpoint.close();
  }
}
