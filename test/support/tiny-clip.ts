/** The tiny CLIP folders of the golden tests, and changed copies of them. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './temporary-folder.ts';

/** Both towers, logit scale and tokenizer.json; images of 8 pixels. */
export const clipFolder = fileURLToPath(
  new URL('../golden/zero-shot/openai-style', import.meta.url),
);
/** The same as pytorch_model.bin, with vocab.json and merges.txt. */
export const laterClipFolder = fileURLToPath(
  new URL('../golden/zero-shot/later-style', import.meta.url),
);

/** A copy of a folder with files replaced by text, or removed where the text is null. */
export async function changedCopy(
  folder: string,
  changes: Readonly<Record<string, string | null>>,
): Promise<string> {
  const copy = join(await temporaryFolder(), 'clip');
  await cp(folder, copy, { recursive: true });
  for (const [file, text] of Object.entries(changes)) {
    if (text === null) await rm(join(copy, file));
    else await writeFile(join(copy, file), text);
  }
  return copy;
}

export async function textOf(folder: string, file: string): Promise<string> {
  return readFile(join(folder, file), 'utf8');
}
