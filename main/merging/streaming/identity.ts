/** What the bytes of a result depend on, as one hash: an interrupted merge goes on only where it is equal. */
import { createHash } from 'node:crypto';
import { WeightFile } from '../../checkpoints/weight-file.ts';
import type { MergePlan } from '../plan.ts';
import type { OutputLayout } from './output-layout.ts';

/** Also of the version: another one may compute a method in another way. */
export async function mergeIdentity(
  plan: MergePlan,
  layout: OutputLayout,
  version: string,
): Promise<string> {
  const hash = createHash('sha256');
  const add = (value: unknown) => hash.update(`${JSON.stringify(value)}\n`);
  add([version, plan.method.id, plan.seed, plan.settings, plan.recipe]);
  for (const { source } of plan.checkpoints) {
    for (const path of source.files) {
      const { dev, ino, size, mtimeNs } = (await WeightFile.open(path)).identity;
      add([path, ...[dev, ino, size, mtimeNs].map(String)]);
    }
  }
  for (const tensor of plan.tensors) add(tensor);
  for (const { name, byteLength } of layout.shards) add([name, byteLength]);
  for (const { range, shard, position } of layout.pieces) add([shard, position, range]);
  return hash.digest('hex');
}
