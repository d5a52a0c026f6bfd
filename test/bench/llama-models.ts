/** Checkpoints of TinyLlama's shapes (1.1 B parameters, bf16, in shards), filled with numbers like weights. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeBf16 } from '../../main/checkpoints/half.ts';
import { BLOCK, blockOf, writeFilled } from './filled-models.ts';

const layers = 22;
const hidden = 2048;
const intermediate = 5632;
const keyValue = 4 * 64;
const vocabulary = 32_000;
const shardsPerModel = 2;

function shapes(): Map<string, number[]> {
  const all = new Map([['model.embed_tokens.weight', [vocabulary, hidden]]]);
  for (let layer = 0; layer < layers; layer++) {
    const block = `model.layers.${layer}`;
    all.set(`${block}.self_attn.q_proj.weight`, [hidden, hidden]);
    all.set(`${block}.self_attn.k_proj.weight`, [keyValue, hidden]);
    all.set(`${block}.self_attn.v_proj.weight`, [keyValue, hidden]);
    all.set(`${block}.self_attn.o_proj.weight`, [hidden, hidden]);
    all.set(`${block}.mlp.gate_proj.weight`, [intermediate, hidden]);
    all.set(`${block}.mlp.up_proj.weight`, [intermediate, hidden]);
    all.set(`${block}.mlp.down_proj.weight`, [hidden, intermediate]);
    all.set(`${block}.input_layernorm.weight`, [hidden]);
    all.set(`${block}.post_attention_layernorm.weight`, [hidden]);
  }
  all.set('model.norm.weight', [hidden]);
  all.set('lm_head.weight', [vocabulary, hidden]);
  return all;
}

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: hidden,
  intermediate_size: intermediate,
  num_hidden_layers: layers,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  vocab_size: vocabulary,
  max_position_embeddings: 2048,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  torch_dtype: 'bfloat16',
  tie_word_embeddings: false,
};

/** A block of numbers of the base, moved a little for the experts. */
function block(model: number): Uint8Array {
  const halves = new Uint16Array(BLOCK);
  encodeBf16(blockOf('llama', model), halves);
  return new Uint8Array(halves.buffer);
}

/** Makes the models that are not there yet; returns their folders and the bytes of one. */
export async function llamaModels(
  folder: string,
  count: number,
): Promise<{ paths: string[]; bytes: number; parameters: number }> {
  const all = [...shapes()].map(([name, shape]) => ({ name, shape, dtype: 'BF16' as const }));
  const parameters = all.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const paths: string[] = [];
  for (let model = 0; model < count; model++) {
    const path = join(folder, `llama-${model}`);
    paths.push(path);
    if (existsSync(join(path, 'config.json'))) continue;
    await mkdir(path, { recursive: true });
    const filling = block(model);
    const weightMap: Record<string, string> = {};
    for (let shard = 0; shard < shardsPerModel; shard++) {
      const name = `model-0000${shard + 1}-of-0000${shardsPerModel}.safetensors`;
      const own = all.filter(
        (_, index) => Math.floor((index * shardsPerModel) / all.length) === shard,
      );
      for (const tensor of own) weightMap[tensor.name] = name;
      await writeFilled(join(path, name), own, filling);
    }
    const index = { metadata: { total_size: parameters * 2 }, weight_map: weightMap };
    await writeFile(join(path, 'model.safetensors.index.json'), JSON.stringify(index));
    await writeFile(join(path, 'config.json'), JSON.stringify(config));
  }
  return { paths, bytes: parameters * 2, parameters };
}
