/**
 * The project folder and its project.json: which base model, experts, heads and image sets its runs are
 * made of. Edits are pure functions of the record, so that a caller can keep the former ones for undo.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { writtenModel } from '../hub/local.ts';
import { isHubReference, requireHubName } from '../hub/name.ts';
import { writeError } from '../lib/durable-file.ts';
import { isTemporaryName, writeFileDurably } from '../lib/durable.ts';
import { AppError } from '../lib/errors.ts';
import { headSchema, withHeadPaths } from './heads.ts';
import { readRecipe, type Recipe } from './recipe.ts';

const path = z.string().min(1).max(4096);
const task = z.strictObject({
  /** Names the task in recipes and reports. */
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/),
  title: z.string().min(1).max(100),
  expert: path,
  head: headSchema.nullable(),
  data: path.nullable(),
  /** Images to adapt to, where they are others than those that are measured. */
  unlabelled: path.optional(),
});
const materialsSchema = z.strictObject({ base: path.nullable(), tasks: z.array(task) });

/** Paths are relative to the project folder, with `/`, or absolute. */
export type Materials = z.output<typeof materialsSchema>;
export type ProjectTask = Materials['tasks'][number];

// Loose: a later version may add entries, which saving keeps.
const projectSchema = z.looseObject({
  schema: z.literal(1),
  application: z.literal('mergewright'),
  materials: materialsSchema.optional(),
});
type ProjectFile = z.output<typeof projectSchema>;

const emptyProject: ProjectFile = { schema: 1, application: 'mergewright' };
const noMaterials: Materials = { base: null, tasks: [] };

/** Files and folders that systems leave anywhere; a folder with nothing else in it is empty. */
const litter = new Set(['.DS_Store', 'Thumbs.db', 'desktop.ini']);

/** Makes `folder` a project unless it is one. Throws `project.invalid` when it is another version's. */
export async function openProject(folder: string): Promise<void> {
  await makeFolder(join(folder, 'runs'));
  const file = projectFile(folder);
  if (existsSync(file)) await readProjectFile(folder);
  else await writeProjectFile(folder, emptyProject);
}

/**
 * The materials of the project in `folder`. Without any in project.json they are those of the recipe.yaml
 * in the folder or else of `latest`, as the terminal runs recipes without writing materials. An empty
 * folder becomes a project. Throws `project.invalid` for anything else.
 */
export async function readMaterials(
  folder: string,
  latest: () => Promise<{ recipe: Recipe; folder: string } | undefined>,
): Promise<Materials> {
  if (existsSync(projectFile(folder))) {
    const { materials } = await readProjectFile(folder);
    if (materials !== undefined) return materials;
  }
  const own = join(folder, 'recipe.yaml');
  if (existsSync(own)) return materialsOf(await readRecipe(own), folder, folder);
  if (existsSync(projectFile(folder))) {
    const last = await latest();
    return last === undefined ? noMaterials : materialsOf(last.recipe, last.folder, folder);
  }
  await refuseForeignFolder(folder);
  await openProject(folder);
  return noMaterials;
}

async function refuseForeignFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new AppError('project.invalid', {
      what: found === undefined ? 'there is no such folder' : 'a project is a folder, this is a file',
      where: folder,
      hint: 'choose the folder of a project, or an empty one for a new project',
    });
  }
  const names = await readdir(folder);
  const foreign = names.find((name) => !litter.has(name) && !isTemporaryName(name));
  if (foreign === undefined) return;
  throw new AppError('project.invalid', {
    what: `the folder is no project and holds other files, such as "${foreign}"`,
    where: folder,
    hint: 'choose an empty folder for a new project, or a folder with a project.json or recipe.yaml in it',
  });
}

/** Writes materials into project.json; everything else in it stays. */
export async function writeMaterials(folder: string, materials: Materials): Promise<void> {
  const known = existsSync(projectFile(folder)) ? await readProjectFile(folder) : emptyProject;
  await writeProjectFile(folder, { ...known, materials });
}

/** The materials a recipe names, whose paths are relative to `recipeFolder`. */
function materialsOf(recipe: Recipe, recipeFolder: string, folder: string): Materials {
  const at = (written: string) =>
    isHubReference(written) ? written : projectPath(folder, resolve(recipeFolder, written));
  return {
    base: at(recipe.base),
    tasks: recipe.tasks.map(({ id, expert, head, data, unlabelled }) => ({
      id,
      title: id,
      expert: at(expert),
      head: withHeadPaths(head, at),
      data: at(data),
      ...(unlabelled === undefined ? {} : { unlabelled: at(unlabelled) }),
    })),
  };
}

/**
 * How the project in `folder` writes down an absolute path: relative when it is in the folder or near it, by name and
 * commit when it is a model in the Hub's cache.
 */
export function projectPath(folder: string, absolute: string): string {
  const ofHub = writtenModel(absolute);
  if (ofHub !== undefined) return ofHub;
  const short = relative(folder, absolute);
  // Two levels up still move together with the project more often than not.
  const far = isAbsolute(short) || short.split(sep).filter((part) => part === '..').length > 2;
  return far ? absolute : short.split(sep).join('/') || '.';
}

export function withBase(materials: Materials, base: string): Materials {
  return { ...materials, base };
}

/** A task for an expert at `expert` as the project writes it, called as its file or as `named` says. */
export function withExpert(
  materials: Materials,
  expert: string,
  companions: Pick<ProjectTask, 'head' | 'data'>,
  named?: Pick<ProjectTask, 'id' | 'title'>,
): Materials {
  const path = isHubReference(expert) ? requireHubName(expert).repository : expert;
  const title =
    named?.title ?? basename(path, extname(path) === '.safetensors' ? '.safetensors' : '');
  const taken = new Set(materials.tasks.map((each) => each.id.toLowerCase()));
  const id = freeId(named?.id ?? title, taken);
  const added = { id, title: title.slice(0, 100) || id, expert, ...companions };
  return { ...materials, tasks: [...materials.tasks, added] };
}

/** Throws `project.no_task`, like the other edits of a task. */
export function withTask(
  materials: Materials,
  id: string,
  change: Partial<Pick<ProjectTask, 'title' | 'head' | 'data' | 'unlabelled'>>,
): Materials {
  const index = indexOf(materials, id);
  const tasks = materials.tasks.map((each, i) => (i === index ? { ...each, ...change } : each));
  return { ...materials, tasks };
}

export function withoutTask(materials: Materials, id: string): Materials {
  return { ...materials, tasks: materials.tasks.toSpliced(indexOf(materials, id), 1) };
}

/** Moves a task to position `to`, at most to the end. */
export function withTaskAt(materials: Materials, id: string, to: number): Materials {
  const from = indexOf(materials, id);
  const moved = materials.tasks.slice(from, from + 1);
  return { ...materials, tasks: materials.tasks.toSpliced(from, 1).toSpliced(to, 0, ...moved) };
}

function indexOf({ tasks }: Materials, id: string): number {
  const index = tasks.findIndex((each) => each.id === id);
  if (index !== -1) return index;
  throw new AppError('project.no_task', {
    what: `the project has no task "${id}"`,
    hint: `its tasks are: ${tasks.map((each) => each.id).join(', ') || 'none'}`,
  });
}

/** An id made of a file's name; numbered where it is taken. */
function freeId(title: string, taken: ReadonlySet<string>): string {
  const plain = title.normalize('NFKD').replace(/[^A-Za-z0-9_.-]+/g, '-');
  const slug = plain.replace(/^[^A-Za-z0-9]+|-+$/g, '').slice(0, 56) || 'task';
  for (let number = 1; ; number++) {
    const id = number === 1 ? slug : `${slug}-${number}`;
    if (!taken.has(id.toLowerCase())) return id;
  }
}

function projectFile(folder: string): string {
  return join(folder, 'project.json');
}

async function readProjectFile(folder: string): Promise<ProjectFile> {
  const file = projectFile(folder);
  const json = await readJson(file, 'project.invalid');
  const result = projectSchema.safeParse(json);
  if (result.success) return result.data;
  throw new AppError('project.invalid', {
    what: 'this is not a project of this version',
    where: file,
    hint: 'open it with the version that wrote it, or choose another folder',
    cause: result.error,
  });
}

async function writeProjectFile(folder: string, content: ProjectFile): Promise<void> {
  await writeJson(projectFile(folder), content);
}

export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw writeError(error, folder);
  }
}

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFileDurably(file, `${JSON.stringify(value, null, 2)}\n`);
}

export async function readJson(
  file: string,
  code: 'project.invalid' | 'run.invalid',
): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (cause) {
    throw new AppError(code, {
      what: `${basename(file)} cannot be read as JSON`,
      where: file,
      hint: 'restore it from a copy, or choose another folder',
      cause,
    });
  }
}
