import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the bundled demo, found from here upwards: the program runs from sources and bundled. */
export function demoFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, 'assets', 'demo');
    if (existsSync(join(candidate, 'recipe.yaml'))) return candidate;
    if (dirname(folder) === folder)
      throw new Error('assets/demo is missing from this installation');
  }
}
