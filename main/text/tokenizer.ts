/**
 * CLIP's byte-pair tokenizer from a checkpoint's own files: `tokenizer.json`, or `vocab.json` with
 * `merges.txt`. What it gives is what transformers' CLIPTokenizer (the fast one, without ftfy) gives with
 * truncation on.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as library from '@huggingface/tokenizers';
import { errnoOf } from '../lib/durable-file.ts';
import { AppError } from '../lib/errors.ts';
import { readError } from '../lib/text-file.ts';

interface Tokenizer {
  encode(text: string): { readonly ids: readonly number[] };
  token_to_id(token: string): number | undefined;
}

/** The package's own types import files without their endings, which Node's resolution does not find. */
const { Tokenizer } = library as unknown as {
  readonly Tokenizer: new (tokenizer: object, configuration: object) => Tokenizer;
};

export interface TextTokenizer {
  /** The file or files it was read from. */
  readonly path: string;
  /** SHA-256 of them. */
  readonly identity: string;
  /** Start token, tokens and end token of a text; what is longer than `limit` loses tokens before its end token. */
  ids(text: string, limit: number): number[];
}

interface Files {
  readonly path: string;
  readonly texts: readonly string[];
  readonly json: () => object;
}

/**
 * The tokenizer beside the weights at `path` (a model folder, or a file in one). Throws
 * `text.tokenizer_missing`, `text.tokenizer_invalid` and `file.read_failed`.
 */
export async function readTokenizer(path: string): Promise<TextTokenizer> {
  const folder = (await stat(path)).isDirectory() ? path : dirname(path);
  const { path: where, texts, json } = await readFiles(folder);
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}\n`).update(text);
  const tokenizer = build(json, where);
  return {
    path: where,
    identity: hash.digest('hex'),
    ids: (text, limit) => {
      // JavaScript lower-cases a Σ at the end of a word to ς; tokenizers lower-cases letter by letter.
      const { ids } = tokenizer.encode(text.replaceAll('Σ', 'σ'));
      return ids.length <= limit ? [...ids] : [...ids.slice(0, limit - 1), ...ids.slice(-1)];
    },
  };
}

function build(json: () => object, where: string): Tokenizer {
  let fault: unknown;
  try {
    // The second object is tokenizer_config.json, of which CLIP needs nothing.
    const tokenizer = new Tokenizer(json(), {});
    const { ids } = tokenizer.encode('a');
    const [start, end] = ['<|startoftext|>', '<|endoftext|>'].map((t) => tokenizer.token_to_id(t));
    if (start !== undefined && ids[0] === start && ids.at(-1) === end) return tokenizer;
  } catch (error) {
    fault = error;
  }
  throw new AppError('text.tokenizer_invalid', {
    what: 'it does not describe a tokenizer of CLIP',
    where,
    hint: 'restore the tokenizer files that the CLIP model was published with',
    cause: fault,
  });
}

async function readFiles(folder: string): Promise<Files> {
  const whole = join(folder, 'tokenizer.json');
  const text = await readIfThere(whole);
  if (text !== undefined) {
    return { path: whole, texts: [text], json: () => JSON.parse(text) as object };
  }
  const path = join(folder, 'vocab.json');
  const vocabulary = await readIfThere(path);
  const merges = await readIfThere(join(folder, 'merges.txt'));
  if (vocabulary === undefined || merges === undefined) {
    throw new AppError('text.tokenizer_missing', {
      what: 'there is no tokenizer.json and no vocab.json with merges.txt beside the weights',
      where: folder,
      hint: 'put the tokenizer files of the Hugging Face CLIP model into the same folder',
    });
  }
  const json = () => clipTokenizer(JSON.parse(vocabulary) as Record<string, number>, merges);
  return { path, texts: [vocabulary, merges], json };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw readError(error, path);
  }
}

/** The tokenizer.json of a vocabulary and its merges, as transformers writes it for CLIP. */
function clipTokenizer(vocab: Readonly<Record<string, number>>, mergesText: string): object {
  const special = (content: string) => {
    const id = vocab[content];
    if (id === undefined) throw new Error(`the vocabulary has no ${content}`);
    return id;
  };
  const [start, end] = ['<|startoftext|>', '<|endoftext|>'] as const;
  const lines = mergesText.split('\n').map((line) => line.replace(/\r$/, ''));
  const merges = lines.filter((line) => line !== '' && !line.startsWith('#version'));
  return {
    version: '1.0',
    added_tokens: [start, end].map((content) => ({
      id: special(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: {
            Regex: `${literal(start)}|${literal(end)}|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+`,
          },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [end, special(end)],
      cls: [start, special(start)],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      unk_token: end,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges: merges.map((line) => line.split(' ')),
    },
  };
}

function literal(token: string): string {
  return token.replaceAll('|', '\\|');
}
