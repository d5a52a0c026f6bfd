/** Texts to features, on any engine. */
import type { Engine } from '../engine/engine.ts';
import { Builder } from '../graph/builder.ts';
import type { Program } from '../graph/program.ts';
import { AppError, throwIfCancelled } from '../lib/errors.ts';
import { zeros, type Tensor } from '../lib/tensor.ts';
import {
  encodeTexts as encodeTextsIn,
  endPosition,
  textConstants,
  textTensors,
  tokenEmbedding,
} from '../models/clip-text.ts';
import type { TextConfig } from '../models/text-config.ts';
import type { TextModel } from '../models/text-model.ts';
import type { TextTokenizer } from './tokenizer.ts';

export interface EncodeTextsOptions {
  /** Texts per call. */
  readonly batch?: number;
  readonly signal?: AbortSignal | undefined;
  /** Hears how many texts are done. */
  readonly onTexts?: ((done: number, total: number) => void) | undefined;
}

/** Features [n, e] of `texts`, not normalised. Throws `text.tokenizer_invalid`, CancelledError. */
export async function textFeatures(
  engine: Engine,
  { config, weights }: TextModel,
  tokenizer: TextTokenizer,
  texts: readonly string[],
  { batch = 32, signal, onTexts }: EncodeTextsOptions = {},
): Promise<Tensor> {
  const table = weights.get(tokenEmbedding);
  if (table === undefined) throw new Error('a text model without token embeddings');
  const tokens = texts.map((text) => {
    const ids = tokenizer.ids(text, config.positionCount);
    requireIds(ids, config, tokenizer);
    return ids;
  });
  const longest = Math.max(...tokens.map((ids) => ids.length));
  const kept = [...weights].filter(([name]) => name !== tokenEmbedding);
  const constants = new Map([...kept, ...textConstants(longest)]);
  const executable = await engine.compile(textProgram(config, batch, longest), constants);
  try {
    const width = config.projectionSize;
    const features = zeros([texts.length, width]);
    for (let start = 0; start < texts.length; start += batch) {
      throwIfCancelled(signal);
      const part = tokens.slice(start, start + batch);
      const { features: found } = await executable.run(textInputs(part, longest, table, config));
      if (found === undefined) throw new Error('the text encoder returned no features');
      features.data.set(found.data, start * width);
      onTexts?.(start + part.length, texts.length);
    }
    return features;
  } finally {
    await executable.dispose();
  }
}

function textProgram(config: TextConfig, batch: number, tokens: number): Program {
  const g = new Builder();
  const embeddings = g.input('embeddings', [batch, tokens, config.hiddenSize], { batch: true });
  const ends = g.input('ends', [batch, 1, tokens], { batch: true });
  const shapes = textTensors(config);
  const features = encodeTextsIn(g, config, { embeddings, ends }, (name) => {
    const shape = shapes.get(name);
    if (shape === undefined) throw new Error(`the architecture has no tensor "${name}"`);
    return g.constant(name, shape);
  });
  return g.build('text-encoder', { features });
}

/** Rows of the embedding table [V, d] by token; zeros after the last token of each text. */
function textInputs(
  texts: readonly (readonly number[])[],
  longest: number,
  table: Tensor,
  config: TextConfig,
): { embeddings: Tensor; ends: Tensor } {
  const d = config.hiddenSize;
  const embeddings = zeros([texts.length, longest, d]);
  const ends = zeros([texts.length, 1, longest]);
  texts.forEach((ids, text) => {
    ids.forEach((id, place) => {
      embeddings.data.set(table.data.subarray(id * d, (id + 1) * d), (text * longest + place) * d);
    });
    ends.data[text * longest + endPosition(ids, config)] = 1;
  });
  return { embeddings, ends };
}

function requireIds(ids: readonly number[], config: TextConfig, tokenizer: TextTokenizer): void {
  const strange = ids.find((id) => id >= config.vocabularySize);
  if (strange === undefined) return;
  throw new AppError('text.tokenizer_invalid', {
    what: `it gives token ${String(strange)}, the text encoder knows ${String(config.vocabularySize)}`,
    where: tokenizer.path,
    hint: 'use the tokenizer files that belong to these weights',
  });
}
