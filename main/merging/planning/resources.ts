/** What a merge needs of the machine, from the plan alone. */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import { elementCount } from '../../lib/tensor.ts';
import type { MergePlan, TensorPlan, TensorSource } from '../plan.ts';
import { finding, type Finding } from './findings.ts';
import { estimateSeconds } from './throughput.ts';

export interface MergeNeeds {
  readonly parameterCount: number;
  /** Stored bytes read, over all passes. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** The least the method can do with, whatever the ceiling. */
  readonly leastMemoryBytes: number;
  /** Undefined before the first merge by this method on this machine. */
  readonly seconds: number | undefined;
}

const fp32Bytes = 4;

export function needsOf(plan: MergePlan): MergeNeeds {
  const passes = plan.method.passes?.(plan.settings.parameters, plan.settings.settings).length ?? 0;
  let parameterCount = 0;
  let inputBytes = 0;
  let outputBytes = 0;
  let leastMemoryBytes = 0;
  for (const tensor of plan.tensors) {
    const shape = shapeOf(plan, tensor);
    const count = elementCount(shape);
    parameterCount += count;
    const read = sourcesOf(tensor).reduce((sum, source) => sum + storedBytes(plan, source), 0);
    inputBytes += read * (tensor.kind === 'merge' ? 1 + passes : 1);
    outputBytes +=
      tensor.kind === 'copy'
        ? storedBytes(plan, tensor.from)
        : (count * bitsPerElement(tensor.dtype)) / 8;
    if (tensor.kind !== 'merge') continue;
    const values = { value: 1, row: shape.at(-1) ?? 1, tensor: count }[plan.method.unit];
    // Inputs as fp32, the result, and as much again to work with.
    const copies = tensor.experts.length + 3;
    leastMemoryBytes = Math.max(leastMemoryBytes, values * fp32Bytes * copies);
  }
  const seconds = estimateSeconds(plan.method.id, inputBytes);
  return { parameterCount, inputBytes, outputBytes, leastMemoryBytes, seconds };
}

function sourcesOf(tensor: TensorPlan): readonly TensorSource[] {
  if (tensor.kind !== 'merge') return [tensor.from];
  return tensor.base === undefined ? tensor.experts : [tensor.base, ...tensor.experts];
}

function shapeOf(plan: MergePlan, tensor: TensorPlan): readonly number[] {
  if (tensor.kind !== 'copy') return tensor.shape;
  const { checkpoint, tensor: name } = tensor.from;
  return plan.checkpoints[checkpoint]?.tensors.get(name)?.shape ?? [];
}

function storedBytes(plan: MergePlan, { checkpoint, tensor }: TensorSource): number {
  return plan.checkpoints[checkpoint]?.tensors.get(tensor)?.byteLength ?? 0;
}

export interface ResourceLimits {
  /** Where the result goes; unknown while a merge is only looked at. */
  readonly out: string | undefined;
  readonly memoryBytes: number | undefined;
}

/** Free disk, memory under the ceiling, and the time it will take. */
export async function checkResources(
  needs: MergeNeeds,
  { out, memoryBytes }: ResourceLimits,
): Promise<Finding[]> {
  const found: Finding[] = [];
  if (memoryBytes !== undefined && needs.leastMemoryBytes > memoryBytes) {
    const what = `the largest tensor takes ${gigabytes(needs.leastMemoryBytes)} to merge, more than the ceiling of ${gigabytes(memoryBytes)}; raise --memory or choose a method that works value by value`;
    found.push(finding('memory', what));
  }
  if (out !== undefined) {
    if (existsSync(out)) {
      const what = `${out} is there already; name another folder or remove it`;
      found.push(finding('output_exists', what));
    }
    const folder = nearestFolder(resolve(out));
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    if (free < needs.outputBytes) {
      const what = `the result takes ${gigabytes(needs.outputBytes)}, and ${gigabytes(free)} are free at ${folder}; make room or name a folder on another disk`;
      found.push(finding('disk_space', what));
    }
  }
  if (needs.seconds !== undefined) {
    const what = `about ${Math.max(1, Math.round(needs.seconds))} s, as fast as the last merge by this method on this machine`;
    found.push(finding('time', what));
  }
  return found;
}

function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toPrecision(3)} GB`;
}
