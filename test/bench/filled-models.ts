/** Weight files for benchmarks, filled with one block of numbers again and again, which is quickly made. */
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { layoutSafetensors } from '../../main/checkpoints/writer.ts';
import { normals, randomStream } from '../../main/lib/random.ts';

type Tensors = Parameters<typeof layoutSafetensors>[1];

/** Prime, so that rows of a matrix are not the same. */
export const BLOCK = 1_048_573;

/** Like weights: those of model 0, the base, moved a little for the others. */
export function blockOf(name: string, model: number): Float32Array {
  const values = normals(randomStream(name, 'base'), BLOCK, 0.02);
  if (model === 0) return values;
  const change = normals(randomStream(name, model), BLOCK, 0.002);
  return values.map((value, i) => value + change[i]!);
}

/** Writes a safetensors file of these tensors. */
export async function writeFilled(
  path: string,
  tensors: Tensors,
  filling: Uint8Array,
): Promise<void> {
  const layout = layoutSafetensors(path, tensors, new Map([['format', 'pt']]));
  const stream = createWriteStream(path);
  stream.write(layout.prefixAndHeader);
  let left = layout.byteLength - layout.prefixAndHeader.byteLength;
  for (; left > 0; left -= filling.byteLength) {
    if (!stream.write(filling.subarray(0, left))) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
}
