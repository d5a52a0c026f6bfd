/** Names of tensors with a role. */

/** Tensors whose rows are the tokens of the vocabulary. */
const vocabularyNames =
  /(?:^|\.)(?:embed_tokens|wte|word_embeddings|tok_embeddings|embed_in|embed_out|shared|lm_head|output|token_embedding|decoder)\.(?:weight|bias)$|final_logits_bias$/;

export function isVocabulary(name: string): boolean {
  return vocabularyNames.test(name);
}
