/**
 * Writes main/merging/index.ts, the list of all methods, from the files of main/merging/methods/. Run
 * `npx tsx build/generate-method-index.ts` after adding a method; a test fails when it was forgotten.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = new URL('../main/merging/methods/', import.meta.url);
export const indexFile = new URL('../main/merging/index.ts', import.meta.url);

/** `simple-average` → `simpleAverage`, the name of the file's one export. */
function exportName(file: string): string {
  return file.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The text the index should have. */
export function methodIndex(): string {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .sort();
  return [
    '/** All static methods. Written by build/generate-method-index.ts; do not edit. */',
    "import type { Method } from './method.ts';",
    ...files.map((file) => `import { ${exportName(file)} } from './methods/${file}.ts';`),
    '',
    'export const methods: readonly Method[] = [',
    ...files.map((file) => `  ${exportName(file)},`),
    '];',
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(indexFile, methodIndex());
