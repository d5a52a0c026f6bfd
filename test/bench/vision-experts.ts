/** A base and experts with the shapes of ViT-B/32 (88 M parameters in fp32), filled with numbers like weights. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import { scaleColumns } from '../../main/engine/linear/matrix.ts';
import { randomMatrix } from '../../main/engine/linear/orthonormal.ts';
import { createMatrixProduct } from '../../main/engine/onnx/matrix-product.ts';
import { normals, randomStream } from '../../main/lib/random.ts';
import { elementCount, type Tensor } from '../../main/lib/tensor.ts';
import { formatVisionConfig, type VisionConfig } from '../../main/models/vision-config.ts';
import { visionTensors } from '../../main/models/vit.ts';
import { vitB32 } from './vit-models.ts';

/**
 * What an expert changed of a matrix: `falling`, 24 falling directions above a tenth of the noise, as fine-tuning
 * leaves them, or `normal`, the noise alone, whose singular values lie nearest to one another.
 */
export type Changes = 'falling' | 'normal';

const DIRECTIONS = 24;
const multiply = createMatrixProduct();

function config(layerCount: number): VisionConfig {
  return { ...vitB32, layerCount };
}

async function change(
  changes: Changes,
  shape: readonly number[],
  ...key: (string | number)[]
): Promise<Float32Array> {
  const [rows = 0, columns = 0] = shape;
  const falling = changes === 'falling' && shape.length === 2;
  const noise = normals(randomStream(...key), elementCount(shape), falling ? 0.001 : 0.01);
  if (!falling) return noise;
  const sizes = Float64Array.from({ length: DIRECTIONS }, (_, i) => 0.004 * Math.exp(-i / 6));
  const left = scaleColumns(randomMatrix(rows, DIRECTIONS, ...key, 'left'), sizes);
  const right = randomMatrix(columns, DIRECTIONS, ...key, 'right');
  const { data } = await multiply(left, right, { b: true });
  for (let i = 0; i < noise.length; i++) noise[i]! += data[i]!;
  return noise;
}

/** Writes what is not there yet and gives the folders, the base first. */
export async function visionExperts(
  folder: string,
  { experts, blocks, changes }: { experts: number; blocks: number; changes: Changes },
): Promise<string[]> {
  const paths: string[] = [];
  const base = new Map<string, Tensor>();
  for (const [name, shape] of visionTensors(config(blocks))) {
    const data = normals(randomStream('base', name), elementCount(shape), 0.02);
    base.set(name, { shape: [...shape], data });
  }
  for (let model = 0; model <= experts; model++) {
    const path = join(folder, `${changes}-${blocks}-blocks-${model}`);
    paths.push(path);
    if (existsSync(path)) continue;
    const tensors = [];
    for (const [name, { shape, data }] of base) {
      const moved = data.slice();
      const moves = model === 0 ? [] : await change(changes, shape, 'change', model, name);
      for (let i = 0; i < moves.length; i++) moved[i]! += moves[i]!;
      tensors.push({ name, dtype: 'F32' as const, shape, data: moved });
    }
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'config.json'), JSON.stringify(formatVisionConfig(config(blocks))));
    await writeSafetensors(join(path, 'model.safetensors'), tensors);
  }
  return paths;
}
