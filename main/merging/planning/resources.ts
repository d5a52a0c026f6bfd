/** What a merge needs of the machine, from the plan alone. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import { AppError } from '../../lib/errors.ts';
import { elementCount } from '../../lib/tensor.ts';
import type { MergePlan, TensorPlan, TensorSource } from '../plan.ts';
import { budgetOf } from '../streaming/budget.ts';
import { finding, type Finding } from './findings.ts';
import { estimateSeconds } from './throughput.ts';

export interface MergeNeeds {
  readonly parameterCount: number;
  /** Stored bytes read, over all passes. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** At most, with the threads and under the ceiling given; undefined where that is too low. */
  readonly peakMemoryBytes: number | undefined;
  /** Undefined before the first merge by this method on this machine. */
  readonly seconds: number | undefined;
}

/** What a merge needs, and a finding where its memory is too little. */
export function needsOf(
  plan: MergePlan,
  { threads, ceilingBytes }: ResourceLimits,
): { readonly needs: MergeNeeds; readonly findings: readonly Finding[] } {
  const counted = countBytes(plan);
  const seconds = estimateSeconds(plan.method.id, counted.inputBytes);
  try {
    const { peakBytes } = budgetOf(plan, { threads, ceilingBytes });
    return { needs: { ...counted, seconds, peakMemoryBytes: peakBytes }, findings: [] };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const needs = { ...counted, seconds, peakMemoryBytes: undefined };
    return { needs, findings: [finding('memory', error.message)] };
  }
}

function countBytes(
  plan: MergePlan,
): Pick<MergeNeeds, 'parameterCount' | 'inputBytes' | 'outputBytes'> {
  const { parameters, settings } = plan.settings;
  const passes = plan.method.passes?.(parameters, settings).length ?? 0;
  let parameterCount = 0;
  let inputBytes = 0;
  let outputBytes = 0;
  for (const tensor of plan.tensors) {
    const count = elementCount(shapeOf(plan, tensor));
    parameterCount += count;
    const read = sourcesOf(tensor).reduce((sum, source) => sum + storedBytes(plan, source), 0);
    inputBytes += read * (tensor.kind === 'merge' ? 1 + passes : 1);
    outputBytes +=
      tensor.kind === 'copy'
        ? storedBytes(plan, tensor.from)
        : (count * bitsPerElement(tensor.dtype)) / 8;
  }
  return { parameterCount, inputBytes, outputBytes };
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
  /** What an earlier merge wrote may be replaced. */
  readonly overwrite: boolean;
  readonly threads: number;
  readonly ceilingBytes: number;
}

/** Free disk, and the time it will take. */
export async function checkResources(
  needs: MergeNeeds,
  { out, overwrite }: ResourceLimits,
): Promise<Finding[]> {
  const found: Finding[] = [];
  if (out !== undefined) {
    if (!overwrite && isOccupied(out)) {
      const what = `${out} is there already; name another folder, or replace it with --overwrite`;
      found.push(finding('output_exists', what));
    }
    const folder = nearestFolder(resolve(out));
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    if (free < needs.outputBytes) {
      const what = `the result takes ${sizeText(needs.outputBytes)}, and ${sizeText(free)} are free at ${folder}; make room or name a folder on another disk`;
      found.push(finding('disk_space', what));
    }
  }
  if (needs.seconds !== undefined) {
    const what = `${secondsText(needs.seconds)}, as the last merge of such a size by this method took on this machine`;
    found.push(finding('time', what));
  }
  return found;
}

/** Whether a merge to this place would find something there. */
export function isOccupied(path: string): boolean {
  if (!existsSync(path)) return false;
  return !statSync(path).isDirectory() || readdirSync(path).length > 0;
}

function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

function secondsText(seconds: number): string {
  return seconds < 1 ? 'less than a second' : `about ${Math.round(seconds)} s`;
}

/** As findings write a number of bytes. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power] ?? ''}`;
}
