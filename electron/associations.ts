/** Which project a command line or a double click in the file manager means. */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const projectFile = 'project.json';

/** The project folder a path stands for: the folder itself, or that of its project.json. */
export function projectFolderOf(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return file;
  if (stats?.isFile() === true && path.basename(file) === projectFile) return path.dirname(file);
  return undefined;
}

/**
 * The project that something dropped on the window is: a project.json, or a folder that holds one, or a folder with a
 * recipe but no model (exported models bring their recipe along). Any other folder is what the window asks about.
 */
export function droppedProjectOf(file: string): string | undefined {
  const folder = projectFolderOf(file);
  if (folder === undefined) return undefined;
  const holds = (name: string) => existsSync(path.join(folder, name));
  return holds(projectFile) || (holds('recipe.yaml') && !holds('config.json')) ? folder : undefined;
}

/** File managers pass addresses where a person types paths. */
function pathOfWord(word: string): string | undefined {
  if (!word.startsWith('file:')) return word;
  try {
    return fileURLToPath(word);
  } catch {
    return undefined;
  }
}

/**
 * The project that a command line names. `skip` is how many words come before the user's own: the program, and in
 * development the folder of the application.
 */
export function projectOfArguments(
  words: readonly string[],
  skip: number,
  workingFolder: string,
): string | undefined {
  const own = words.filter((word) => !word.startsWith('-')).slice(skip);
  for (const word of own) {
    const file = pathOfWord(word);
    if (file === undefined) continue;
    const folder = projectFolderOf(path.resolve(workingFolder, file));
    if (folder !== undefined) return folder;
  }
  return undefined;
}
