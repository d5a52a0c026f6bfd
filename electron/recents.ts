/** The projects opened last, kept across starts. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { handle } from '../main/api/common.ts';
import { createJsonWriter, readJsonFile } from './json-file.ts';

const KEPT = 10;

const recent = z.strictObject({ id: handle, path: z.string().min(1), title: z.string() });
export type Recent = z.output<typeof recent>;
const recentsFile = z.strictObject({ version: z.literal(1), projects: z.array(recent).max(100) });

export interface Recents {
  list(): readonly Recent[];
  find(id: string): Recent | undefined;
  /** Puts a project in front. */
  add(path: string, title: string): Promise<void>;
  forget(id: string): Promise<void>;
}

/** The list kept in `file`; `changed` is called after each change. */
export function openRecents(file: string, changed: () => void): Recents {
  const write = createJsonWriter(file);
  let projects: readonly Recent[] = readJsonFile(file, recentsFile)?.projects ?? [];
  const replace = async (next: readonly Recent[]): Promise<void> => {
    projects = next;
    changed();
    await write({ version: 1, projects });
  };
  return {
    list: () => projects,
    find: (id) => projects.find((project) => project.id === id),
    add(path, title) {
      const known = projects.find((project) => project.path === path);
      const id = known?.id ?? randomBytes(16).toString('hex');
      const others = projects.filter((project) => project.path !== path);
      return replace([{ id, path, title }, ...others].slice(0, KEPT));
    },
    forget: (id) => replace(projects.filter((project) => project.id !== id)),
  };
}
