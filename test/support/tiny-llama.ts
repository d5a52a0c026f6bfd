/** Small checkpoints in the shape of a LLaMA, written by the product: the same numbers for the same key. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import { normalTensor } from './tiny-models.ts';

export interface LlamaShape {
  readonly key: string;
  readonly width?: number;
  readonly layers?: number;
  readonly vocabulary?: number;
}

/** Writes `folder` with config.json and weights in fp32. */
export async function writeLlama(
  folder: string,
  { key, width = 16, layers = 1, vocabulary = 24 }: LlamaShape,
): Promise<void> {
  const inner = 2 * width;
  const shapes: [string, number[]][] = [
    ['model.embed_tokens.weight', [vocabulary, width]],
    ...Array.from({ length: layers }, (_, layer): [string, number[]][] => {
      const of = (name: string) => `model.layers.${layer}.${name}.weight`;
      return [
        ...['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((name): [string, number[]] => [
          of(`self_attn.${name}`),
          [width, width],
        ]),
        [of('mlp.gate_proj'), [inner, width]],
        [of('mlp.up_proj'), [inner, width]],
        [of('mlp.down_proj'), [width, inner]],
        [of('input_layernorm'), [width]],
        [of('post_attention_layernorm'), [width]],
      ];
    }).flat(),
    ['model.norm.weight', [width]],
    ['lm_head.weight', [vocabulary, width]],
  ];
  await mkdir(folder, { recursive: true });
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    shapes.map(([name, shape]) => ({
      name,
      dtype: 'F32',
      shape,
      data: normalTensor(`llama ${key} ${name}`, shape, 0.1).data,
    })),
  );
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: width,
    intermediate_size: inner,
    num_hidden_layers: layers,
    num_attention_heads: 2,
    vocab_size: vocabulary,
    tie_word_embeddings: false,
  };
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
