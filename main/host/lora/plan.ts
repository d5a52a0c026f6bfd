/** What a draft would give, and what to look at first; from headers alone. */
import { dirname } from 'node:path';
import type { LoraDraft, LoraPlan } from '../../api/lora.ts';
import { openAdapter } from '../../checkpoints/adapter.ts';
import { previewCombination, previewExtraction } from '../../merging/lora/carry-out.ts';
import { isOccupied, sizeText } from '../../merging/planning/resources.ts';
import { freeBytes } from '../free-bytes.ts';
import type { Session } from '../session.ts';
import { combinationOf, extractionOf, inForm } from './draft.ts';

type Finding = LoraPlan['findings'][number];
type Result = Pick<LoraPlan, 'weightCount' | 'ranks' | 'outputBytes' | 'findings'>;

/** Factors are written in fp32. */
const valueBytes = 4;

/** Throws what carrying the draft out would throw before it reads a weight. */
export async function loraPlan(draft: LoraDraft, session: Session): Promise<LoraPlan> {
  const location = draft.output === null ? null : session.pathOf(draft.output);
  const result =
    draft.action === 'combine'
      ? await combined(combinationOf(draft, session))
      : await extracted(extractionOf(draft, session));
  const free = location === null ? null : await freeBytes(dirname(location));
  return {
    ...result,
    findings: [...placeFindings(location, result.outputBytes, free), ...result.findings],
    freeDiskBytes: free,
    location,
  };
}

async function combined(request: ReturnType<typeof combinationOf>): Promise<Result> {
  const weights = await previewCombination(request, inForm);
  const ranks = weights.map(({ rank }) => rank);
  const values = weights.reduce((sum, { valueCount }) => sum + valueCount, 0);
  return {
    weightCount: weights.length,
    ranks: { min: Math.min(...ranks), max: Math.max(...ranks) },
    outputBytes: values * valueBytes,
    findings: [...(await originFindings(request.paths)), ...coverFindings(request.paths, weights)],
  };
}

/** Adapters say which model they were made for; a sum of changes to different models fits none of them. */
async function originFindings(paths: readonly string[]): Promise<Finding[]> {
  const origins = new Set<string>();
  for (const path of paths) {
    const adapter = await openAdapter(path);
    const origin = adapter.config.baseModel;
    await adapter.close();
    if (origin !== undefined) origins.add(origin);
  }
  if (origins.size < 2) return [];
  const what = `They say they were made for ${[...origins].join(' and ')}; the result says the first. Go on only where these are the same model.`;
  return [{ severity: 'warning', title: 'Adapters of different models', what }];
}

function coverFindings(
  paths: readonly string[],
  weights: readonly { readonly adapterCount: number }[],
): Finding[] {
  const partly = weights.filter(({ adapterCount }) => adapterCount < paths.length).length;
  if (partly === 0) return [];
  const what = `${partly} of ${weights.length} weights are changed by some of the adapters alone; the others add nothing there.`;
  return [{ severity: 'info', title: 'Adapters of different weights', what }];
}

async function extracted(request: ReturnType<typeof extractionOf>): Promise<Result> {
  const { size, weights } = await previewExtraction(request, inForm);
  const findings: Finding[] = [];
  if (weights.length === 0) {
    const what = 'The checkpoint has no weight of a linear layer that an adapter could change.';
    findings.push({ severity: 'error', title: 'Nothing to extract', what });
  }
  // How many singular values a share of the difference needs is known when they are.
  if ('energy' in size || weights.length === 0) {
    return { weightCount: weights.length, ranks: null, outputBytes: null, findings };
  }
  const ranks = weights.map(({ shape }) => Math.min(size.rank, ...shape));
  const values = weights.reduce(
    (sum, { shape: [rows = 0, columns = 0] }, index) => sum + ranks[index]! * (rows + columns),
    0,
  );
  return {
    weightCount: weights.length,
    ranks: { min: Math.min(...ranks), max: Math.max(...ranks) },
    outputBytes: values * valueBytes,
    findings,
  };
}

function placeFindings(
  location: string | null,
  needed: number | null,
  free: number | null,
): Finding[] {
  if (location === null) return [];
  if (isOccupied(location)) {
    const what = `${location} is there already; choose another place.`;
    return [{ severity: 'error', title: 'The result exists already', what }];
  }
  if (needed === null || free === null || free >= needed) return [];
  const what = `The result takes up to ${sizeText(needed)}, and ${sizeText(free)} are free; make room or choose another disk.`;
  return [{ severity: 'error', title: 'Not enough disk space', what }];
}
