/** Writes an adapter as PEFT reads it: `adapter_config.json` beside `adapter_model.safetensors`. */
import { join } from 'node:path';
import type { AdapterPair } from '../../checkpoints/adapter.ts';
import { writeSafetensors, type TensorToWrite } from '../../checkpoints/writer.ts';
import { replaceFolderDurably, writeFileDurably } from '../../lib/durable.ts';

/** The change B A of one weight; scaling 1. */
export interface WrittenFactors {
  /** Name of the weight, ending in ".weight". */
  readonly target: string;
  readonly kind: AdapterPair['kind'];
  readonly rank: number;
  /** [r, in, …] */
  readonly a: { readonly shape: readonly number[]; readonly data: Float32Array };
  /** [out, r, …] */
  readonly b: { readonly shape: readonly number[]; readonly data: Float32Array };
}

export interface AdapterToWrite {
  readonly pairs: readonly WrittenFactors[];
  readonly baseModel: string | undefined;
  readonly fanInFanOut: boolean;
  /** Tensors stored in full, by the names they have in the file. */
  readonly others: readonly TensorToWrite[];
  readonly modulesToSave: readonly string[];
  /** Say how the adapter came to be; part of the file. */
  readonly metadata: ReadonlyMap<string, string>;
}

const PREFIX = 'base_model.model.';

/**
 * The folder appears at `target` whole or not at all. Every module is named in full, with its own rank and an alpha
 * equal to it, so that the scaling is 1 everywhere. Throws what `replaceFolderDurably` throws.
 */
export async function writeAdapter(
  target: string,
  adapter: AdapterToWrite,
  signal?: AbortSignal,
): Promise<void> {
  const config = `${JSON.stringify(configOf(adapter), null, 2)}\n`;
  const tensors = [...adapter.pairs.flatMap(tensorsOf), ...adapter.others];
  await replaceFolderDurably(
    target,
    async (folder) => {
      await writeFileDurably(join(folder, 'adapter_config.json'), config);
      const file = join(folder, 'adapter_model.safetensors');
      await writeSafetensors(file, tensors, adapter.metadata, { signal });
    },
    { signal },
  );
}

function moduleOf(target: string): string {
  return target.replace(/\.weight$/, '');
}

function configOf({ pairs, baseModel, fanInFanOut, modulesToSave }: AdapterToWrite): object {
  const rank = Math.max(1, ...pairs.map((pair) => pair.rank));
  const others = pairs.filter((pair) => pair.rank !== rank);
  const ranks = Object.fromEntries(others.map((pair) => [moduleOf(pair.target), pair.rank]));
  return {
    alpha_pattern: ranks,
    base_model_name_or_path: baseModel ?? null,
    bias: 'none',
    fan_in_fan_out: fanInFanOut,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: rank,
    lora_dropout: 0,
    modules_to_save: modulesToSave.length === 0 ? null : modulesToSave,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: ranks,
    target_modules: pairs.map(({ target }) => moduleOf(target)).sort(),
    task_type: null,
    use_dora: false,
    use_rslora: false,
  };
}

function tensorsOf({ target, kind, a, b }: WrittenFactors): TensorToWrite[] {
  const module = PREFIX + moduleOf(target);
  const name = (letter: string) =>
    kind === 'embedding' ? `${module}.lora_embedding_${letter}` : `${module}.lora_${letter}.weight`;
  return [
    { name: name('A'), dtype: 'F32', ...a },
    { name: name('B'), dtype: 'F32', ...b },
  ];
}
