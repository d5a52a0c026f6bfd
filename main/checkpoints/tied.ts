/** Tied tensors: names a model uses for bytes that its file holds only once, under another name. */
import type { Checkpoint } from './checkpoint.ts';
import { shown } from './fail.ts';

/** Output layers that models with tied embeddings leave out, and where their values are. */
const usualTies: readonly (readonly [absent: string, presentEnding: string])[] = [
  ['lm_head.weight', 'embed_tokens.weight'],
  ['lm_head.weight', 'wte.weight'],
  ['lm_head.weight', 'shared.weight'],
  ['cls.predictions.decoder.weight', 'embeddings.word_embeddings.weight'],
];

function saysTied(config: unknown): boolean {
  return typeof config === 'object' && config !== null && 'tie_word_embeddings' in config
    ? config.tie_word_embeddings === true
    : false;
}

/**
 * Absent names and the names that hold their values: those that safetensors' `save_model` notes in the
 * metadata, and the output layer where config.json says it is tied to the embedding.
 */
export function tiedNames(checkpoint: Checkpoint): ReadonlyMap<string, string> {
  const { tensors, metadata, config } = checkpoint;
  const tied = new Map<string, string>();
  for (const [absent, present] of metadata) {
    if (tensors.has(present) && !tensors.has(absent)) tied.set(absent, present);
  }
  if (!saysTied(config)) return tied;
  for (const [absent, ending] of usualTies) {
    if (tensors.has(absent) || tied.has(absent)) continue;
    const present = [...tensors.keys()].filter(
      (name) => name === ending || name.endsWith(`.${ending}`),
    );
    if (present.length === 1) tied.set(absent, present[0]!);
  }
  return tied;
}

/** A warning about tied names; undefined when there are none. */
export function tiedWarning(tied: ReadonlyMap<string, string>): string | undefined {
  const [first] = tied;
  if (first === undefined) return undefined;
  const more = tied.size === 1 ? '' : ` and ${tied.size - 1} more`;
  return `"${shown(first[0])}" is tied to "${shown(first[1])}"${more}; it is not stored on its own.`;
}
