import { describe, expect, test } from 'vitest';
import { depthOf, layerLayout } from '../../../../main/merging/planning/layers.ts';

/** Names as the models themselves have them: before, a layer (with `{n}`), after. */
const models: Readonly<Record<string, readonly [string[], string[], string[]]>> = {
  LLaMA: [
    ['model.embed_tokens.weight'],
    ['model.layers.{n}.self_attn.q_proj.weight', 'model.layers.{n}.mlp.up_proj.weight'],
    ['model.norm.weight', 'lm_head.weight'],
  ],
  'Gemma 3': [
    ['model.language_model.embed_tokens.weight'],
    ['model.language_model.layers.{n}.mlp.up_proj.weight'],
    ['model.language_model.norm.weight'],
  ],
  'GPT-2': [
    ['wte.weight', 'wpe.weight'],
    ['h.{n}.attn.c_attn.weight'],
    ['ln_f.weight', 'ln_f.bias'],
  ],
  'GPT-NeoX': [
    ['gpt_neox.embed_in.weight'],
    ['gpt_neox.layers.{n}.attention.dense.weight'],
    ['gpt_neox.final_layer_norm.weight', 'embed_out.weight'],
  ],
  BERT: [
    ['bert.embeddings.word_embeddings.weight', 'bert.embeddings.LayerNorm.weight'],
    ['bert.encoder.layer.{n}.attention.self.query.weight'],
    ['bert.pooler.dense.weight', 'classifier.weight'],
  ],
  ViT: [
    ['vit.embeddings.cls_token', 'vit.embeddings.patch_embeddings.projection.weight'],
    ['vit.encoder.layer.{n}.output.dense.weight'],
    ['vit.layernorm.weight', 'classifier.weight'],
  ],
  'CLIP, vision': [
    ['vision_model.embeddings.class_embedding', 'vision_model.pre_layrnorm.weight'],
    ['vision_model.encoder.layers.{n}.mlp.fc1.weight'],
    ['vision_model.post_layernorm.weight', 'visual_projection.weight'],
  ],
  timm: [
    ['cls_token', 'patch_embed.proj.weight'],
    ['blocks.{n}.mlp.fc1.weight'],
    ['norm.weight', 'head.weight'],
  ],
  'a network of one’s own': [['stem.weight'], ['body.{n}.conv.weight'], ['head.weight']],
};

describe.each(Object.entries(models))('%s', (_, [before, layer, after]) => {
  const names = [
    ...after,
    ...[2, 0, 1].flatMap((n) => layer.map((name) => name.replace('{n}', String(n)))),
    ...before,
  ];
  const layout = layerLayout(names);

  test('has one stack of three layers', () => {
    expect(layout.stacks).toHaveLength(1);
    expect(layout.stacks[0]).toMatchObject({ layerCount: 3 });
  });

  test('names lead back to layers', () => {
    for (const name of layer) {
      const place = layout.layerOf(name.replace('{n}', '2'));
      expect(place?.index).toBe(2);
      expect(`${place?.stack.prefix ?? ''}2.${place?.rest ?? ''}`).toBe(name.replace('{n}', '2'));
    }
  });

  test('what is outside comes before or after', () => {
    for (const name of [...before, ...after]) {
      expect(layout.layerOf(name), name).toBeUndefined();
      expect(layout.isAfter(name), name).toBe(after.includes(name));
    }
  });
});

test('a model of two encoders has two stacks', () => {
  const { stacks } = layerLayout([
    ...[0, 1].map((n) => `text_model.encoder.layers.${n}.mlp.fc1.weight`),
    ...[0, 1, 2].map((n) => `vision_model.encoder.layers.${n}.mlp.fc1.weight`),
  ]);
  expect(stacks.map(({ layerCount }) => layerCount)).toEqual([2, 3]);
});

test('numbers with a gap are no layers', () => {
  expect(layerLayout(['model.layers.0.w', 'model.layers.2.w']).stacks).toEqual([]);
});

test('depth goes from 0 to 1; a single layer is at 1, as in mergekit', () => {
  expect([0, 1, 2].map((index) => depthOf(index, 3))).toEqual([0, 0.5, 1]);
  expect(depthOf(0, 1)).toBe(1);
});
