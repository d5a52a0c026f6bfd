/** Models on disk, in the shapes of LLaMA unless said otherwise; sparse where values do not matter. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bitsPerElement, type DType } from '../../../../main/checkpoints/dtype.ts';
import { elementCount } from '../../../../main/lib/tensor.ts';

export interface StoredShape {
  readonly shape: readonly number[];
  readonly dtype?: DType;
  /** Stored as fp32; zeros where not given. */
  readonly data?: readonly number[];
}

export type Shapes = Readonly<Record<string, StoredShape>>;

export interface ModelSize {
  readonly layers?: number;
  readonly vocabulary?: number;
  readonly tied?: boolean;
  readonly dtype?: DType;
  readonly width?: number;
  readonly inner?: number;
}

export function llama({
  layers = 2,
  vocabulary = 6,
  tied = false,
  dtype = 'F32',
  width = 4,
  inner = 8,
}: ModelSize = {}): Shapes {
  const shapes: Record<string, StoredShape> = {};
  const add = (name: string, ...shape: number[]): void => {
    shapes[`${name}.weight`] = { shape, dtype };
  };
  add('model.embed_tokens', vocabulary, width);
  for (let layer = 0; layer < layers; layer++) {
    const start = `model.layers.${layer}.`;
    add(`${start}input_layernorm`, width);
    for (const name of ['q', 'k', 'v', 'o']) add(`${start}self_attn.${name}_proj`, width, width);
    add(`${start}mlp.up_proj`, inner, width);
    add(`${start}mlp.down_proj`, width, inner);
  }
  add('model.norm', width);
  if (!tied) add('lm_head', vocabulary, width);
  return shapes;
}

export function llamaConfig({ layers = 2, vocabulary = 6, tied = false }: ModelSize = {}): object {
  return {
    model_type: 'llama',
    hidden_size: 4,
    num_hidden_layers: layers,
    num_attention_heads: 2,
    vocab_size: vocabulary,
    tie_word_embeddings: tied,
    torch_dtype: 'float32',
  };
}

/** Writes one weight file; what has no data is a hole in it. */
export async function writeShapes(path: string, shapes: Shapes): Promise<void> {
  let end = 0;
  const header: Record<string, unknown> = {};
  const places: { readonly at: number; readonly data: readonly number[] }[] = [];
  for (const [name, { shape, dtype = 'F32', data }] of Object.entries(shapes)) {
    const begin = end;
    end += (elementCount(shape) * bitsPerElement(dtype)) / 8;
    header[name] = { dtype, shape, data_offsets: [begin, end] };
    if (data !== undefined) places.push({ at: begin, data });
  }
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.byteLength));
  const file = await open(path, 'w');
  try {
    await file.write(Buffer.concat([prefix, text]));
    const start = prefix.byteLength + text.byteLength;
    for (const { at, data } of places) {
      const bytes = new Uint8Array(new Float32Array(data).buffer);
      await file.write(bytes, 0, bytes.byteLength, start + at);
    }
    await file.truncate(start + end);
  } finally {
    await file.close();
  }
}

/** A model folder; returns its path. `files` are further files in it. */
export async function storeModel(
  folder: string,
  shapes: Shapes,
  config: object | null = llamaConfig(),
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeShapes(join(folder, 'model.safetensors'), shapes);
  const texts = { ...files, ...(config !== null && { 'config.json': JSON.stringify(config) }) };
  for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
  return folder;
}

export function tokenizerOf(...tokens: readonly string[]): Readonly<Record<string, string>> {
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    'tokenizer.json': JSON.stringify({ model: { vocab }, added_tokens: [] }),
    'tokenizer_config.json': JSON.stringify({ chat_template: `{{ ${tokens[0] ?? ''} }}` }),
  };
}
