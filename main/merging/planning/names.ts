/** Names of tensors with a role: token embeddings, output heads, and which of them may be one tensor. */

/** Tensors whose rows are the tokens of the vocabulary. */
const vocabularyNames =
  /(?:^|\.)(?:embed_tokens|wte|word_embeddings|tok_embeddings|embed_in|embed_out|shared|lm_head|output|token_embedding|decoder)\.(?:weight|bias)$|final_logits_bias$/;

export function isVocabulary(name: string): boolean {
  return vocabularyNames.test(name);
}

/** A head, and the embeddings that are also the head in models that tie the two. */
const tiedNames: readonly (readonly [head: string, embeddings: string])[] = [
  ['lm_head.weight', 'model.embed_tokens.weight'],
  ['language_model.lm_head.weight', 'language_model.model.embed_tokens.weight'],
  ['lm_head.weight', 'model.language_model.embed_tokens.weight'],
  ['lm_head.weight', 'transformer.wte.weight'],
  ['lm_head.weight', 'wte.weight'],
  ['lm_head.weight', 'shared.weight'],
  ['lm_head.weight', 'model.shared.weight'],
  ['lm_head.weight', 'model.decoder.embed_tokens.weight'],
  ['embed_out.weight', 'gpt_neox.embed_in.weight'],
  ['cls.predictions.decoder.weight', 'bert.embeddings.word_embeddings.weight'],
  ['lm_head.decoder.weight', 'roberta.embeddings.word_embeddings.weight'],
];

/** The embeddings that a model without this head uses in its place. */
export function tiedTo(head: string, has: (name: string) => boolean): string | undefined {
  if (has(head)) return undefined;
  return tiedNames.find(([name, embeddings]) => name === head && has(embeddings))?.[1];
}

/** Heads that models of this kind may have. */
export const headNames: readonly string[] = [...new Set(tiedNames.map(([head]) => head))];
