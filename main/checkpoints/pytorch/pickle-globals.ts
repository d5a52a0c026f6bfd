/** Lists what code the pickle of a PyTorch file mentions, without building anything of it. */
import { WeightFile } from '../weight-file.ts';
import { readArchivePickle } from './archive.ts';
import { isAllowedGlobal } from './globals.ts';
import { opcodeOf, PickleCursor } from './opcodes.ts';
import { pyTorchForm } from './open.ts';
import { MAX_PICKLE_BYTES } from './pickle.ts';

export interface PickleGlobals {
  /** `module.name` of everything that is mentioned, in order of first mention. */
  readonly names: readonly { readonly name: string; readonly allowed: boolean }[];
  /** False where the pickle is damaged: what comes after the damage is not known. */
  readonly complete: boolean;
}

const MAX_OPCODES = 5_000_000;
const ASSEMBLED = '(assembled while it runs)';

/** The legacy form is five pickles end to end, then numbers. */
function scan(bytes: Uint8Array, pickles: number): PickleGlobals {
  const found = new Map<string, boolean>();
  const note = (name: string): void => {
    if (!found.has(name)) found.set(name, isAllowedGlobal(name));
  };
  const cursor = new PickleCursor(bytes);
  /** The texts pushed last, which STACK_GLOBAL usually takes. */
  let texts: readonly string[] = [];
  let left = pickles;
  try {
    for (let count = 0; left > 0 && count < MAX_OPCODES; count++) {
      const opcode = opcodeOf(cursor.uint8());
      if (opcode === undefined) break;
      const { name } = opcode;
      // Integers of any length: the magic number of the legacy form has ten bytes.
      const argument =
        name === 'LONG1' ? cursor.raw(cursor.uint8()).length : opcode.readArgument(cursor);
      if (name === 'GLOBAL' || name === 'INST') note(String(argument));
      else if (name === 'STACK_GLOBAL') note(texts.length === 2 ? texts.join(' ') : ASSEMBLED);
      else if (name.startsWith('EXT')) note(ASSEMBLED);
      else if (name === 'STOP') left--;
      if (/UNICODE|STRING/.test(name)) texts = [...texts, String(argument)].slice(-2);
      else if (!/MEMOIZE|PUT|FRAME/.test(name)) texts = [];
    }
  } catch {
    // Damaged: what was found before counts, and the listing says that it is not complete.
  }
  const names = [...found].map(([name, allowed]) => ({ name: name.replace(' ', '.'), allowed }));
  return { names, complete: left === 0 };
}

/**
 * What the pickle of a PyTorch file mentions; undefined for a file of another form. Throws
 * `checkpoint.zip_*` and `checkpoint.archive_layout` where the pickle cannot be found.
 */
export async function pickleGlobals(path: string): Promise<PickleGlobals | undefined> {
  const file = await WeightFile.open(path);
  const first = new Uint8Array(Math.min(64, file.size));
  await file.readInto(first, 0);
  const form = pyTorchForm(first);
  if (form === 'zip') return scan(await readArchivePickle(file), 1);
  const legacy = form === 'legacy';
  if (!legacy && first[0] !== 0x80) return undefined;
  const bytes = new Uint8Array(Math.min(file.size, MAX_PICKLE_BYTES));
  await file.readInto(bytes, 0);
  return scan(bytes, legacy ? 5 : 1);
}
