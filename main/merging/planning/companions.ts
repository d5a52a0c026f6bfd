/** What a model folder holds beside the weights: the configuration, corrected, and files taken over. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AppError } from '../../lib/errors.ts';
import type { CompanionFile } from '../plan.ts';
import { splitReference } from './references.ts';

/** The folder a model's files lie in. */
export function folderOf(reference: string): string {
  const { model } = splitReference(reference);
  return existsSync(model) && statSync(model).isDirectory() ? model : dirname(model);
}

const tokenizerFiles: readonly string[] = [
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'spiece.model',
  'chat_template.jinja',
  'chat_template.json',
];

const modelFiles: readonly string[] = [
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
];

/** What differs between the result and the model its configuration is from. */
export interface ConfigChanges {
  /** Of the model, in the order of the result's layers; undefined where all are kept. */
  readonly layers: readonly number[] | undefined;
  readonly vocabularySize: number | undefined;
  /** As torch calls it; undefined to leave it. */
  readonly dtype: string | undefined;
  /** The head is stored apart from the embeddings. */
  readonly untied: boolean;
}

const layerCountKeys = ['num_hidden_layers', 'n_layer', 'n_layers', 'num_layers'];
/** Lists with an entry for each layer. */
const layerListKeys = ['layer_types', 'attention_layers', 'no_rope_layers', 'mlp_layer_types'];
/** Where models of several parts keep what concerns the language model. */
const parts = ['text_config', 'llm_config', 'vision_config'];

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The configuration with the changes made where it speaks of them. */
function changeConfig(config: Json, layerCount: number, changes: ConfigChanges): Json {
  const changed = Object.entries(config).map(([key, value]): [string, unknown] => {
    if (parts.includes(key) && isObject(value)) {
      return [key, changeConfig(value, layerCount, changes)];
    }
    return [key, changedValue(key, value, layerCount, changes)];
  });
  return Object.fromEntries(changed);
}

function changedValue(
  key: string,
  value: unknown,
  layerCount: number,
  { layers, vocabularySize, dtype, untied }: ConfigChanges,
): unknown {
  if (layers !== undefined && value === layerCount && layerCountKeys.includes(key)) {
    return layers.length;
  }
  if (layers !== undefined && Array.isArray(value) && value.length === layerCount) {
    const entries: readonly unknown[] = value;
    return layerListKeys.includes(key) ? layers.map((layer) => entries[layer]) : value;
  }
  if (vocabularySize !== undefined && key === 'vocab_size') return vocabularySize;
  if (dtype !== undefined && (key === 'torch_dtype' || key === 'dtype')) return dtype;
  if (untied && key === 'tie_word_embeddings') return false;
  return value;
}

/** The configuration of the model in `folder`; undefined where there is none. */
function readConfigOf(folder: string): Json | undefined {
  return readJson(join(folder, 'config.json'));
}

function readJson(path: string): Json | undefined {
  if (!existsSync(path)) return undefined;
  const text = readText(path);
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A file that is there but cannot be read stops the merge: without it the result would lack something, unsaid. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new AppError('file.read_failed', {
      what: `reading failed (${error instanceof Error ? error.message : String(error)})`,
      where: path,
      hint: 'check the disk and the permissions, or move this file away, then try again',
      cause: error,
    });
  }
}

export interface CompanionSources {
  readonly configFolder: string;
  readonly tokenizerFolder: string;
  readonly chatTemplate: string | undefined;
}

/** The files of the result beside its weights. */
export function companionFiles(
  { configFolder, tokenizerFolder, chatTemplate }: CompanionSources,
  layerCount: number,
  changes: ConfigChanges,
): readonly CompanionFile[] {
  const config = readConfigOf(configFolder);
  const files: CompanionFile[] = [];
  if (config !== undefined) {
    files.push(textFile('config.json', changeConfig(config, layerCount, changes)));
  }
  const copied = [
    ...present(configFolder, modelFiles),
    ...present(tokenizerFolder, tokenizerFiles),
  ];
  if (chatTemplate === undefined || present(tokenizerFolder, tokenizerFiles).length === 0) {
    return [...files, ...copied];
  }
  const withoutTemplate = copied.filter(
    ({ name }) => !name.startsWith('chat_template.') && name !== 'tokenizer_config.json',
  );
  const tokenizer = readJson(join(tokenizerFolder, 'tokenizer_config.json')) ?? {};
  return [
    ...files,
    ...withoutTemplate,
    textFile('tokenizer_config.json', { ...tokenizer, chat_template: chatTemplate }),
    { kind: 'text', name: 'chat_template.jinja', text: chatTemplate },
  ];
}

function textFile(name: string, value: Json): CompanionFile {
  return { kind: 'text', name, text: `${JSON.stringify(value, null, 2)}\n` };
}

function present(folder: string, names: readonly string[]): readonly CompanionFile[] {
  const there = new Set(readdirSync(folder));
  return names
    .filter((name) => there.has(name))
    .map((name) => ({ kind: 'copy', name, from: join(folder, name) }));
}
