/** Whether models share a tokenizer, and which chat template most of them have. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderOf } from './companions.ts';

/**
 * What decides which token has which row: the vocabulary and the added tokens of tokenizer.json, or
 * the files older tokenizers consist of. Undefined where a model has no tokenizer.
 */
export function vocabularyKey(reference: string): string | undefined {
  const folder = folderOf(reference);
  const json = join(folder, 'tokenizer.json');
  if (existsSync(json)) return hash(vocabularyOf(readFileSync(json, 'utf8')));
  const older = ['tokenizer.model', 'spiece.model', 'vocab.json', 'vocab.txt', 'added_tokens.json']
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path));
  if (older.length === 0) return undefined;
  return hash(older.map((path) => readFileSync(path).toString('base64')).join('\n'));
}

/** Vocabulary and added tokens alone; the whole text where it is of another form. */
function vocabularyOf(text: string): string {
  try {
    const { model, added_tokens: added } = JSON.parse(text) as {
      model?: { vocab?: unknown };
      added_tokens?: { id: number; content: string }[];
    };
    const vocabulary = Array.isArray(model?.vocab)
      ? model.vocab
      : Object.entries(model?.vocab ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const tokens = (added ?? []).map(({ id, content }) => [id, content]);
    return JSON.stringify([vocabulary, tokens.sort(([a], [b]) => Number(a) - Number(b))]);
  } catch {
    return text;
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The template of most models, the first of them where several are as frequent. */
export function commonChatTemplate(references: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const reference of references) {
    const template = chatTemplateOf(folderOf(reference))?.trim();
    if (template !== undefined && template !== '') {
      counts.set(template, (counts.get(template) ?? 0) + 1);
    }
  }
  const most = Math.max(0, ...counts.values());
  return [...counts].find(([, count]) => count === most)?.[0];
}

function chatTemplateOf(folder: string): string | undefined {
  const jinja = join(folder, 'chat_template.jinja');
  if (existsSync(jinja)) return readFileSync(jinja, 'utf8');
  try {
    const config = JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8')) as {
      chat_template?: unknown;
    };
    return typeof config.chat_template === 'string' ? config.chat_template : undefined;
  } catch {
    return undefined;
  }
}
