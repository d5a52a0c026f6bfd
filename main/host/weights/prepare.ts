/** A draft laid out and checked: planning's pre-flight in the words of the window. */
import { statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import type { WeightsDraft, WeightsPlan } from '../../api/weights.ts';
import type { MergePlan } from '../../merging/plan.ts';
import { prepareMerge, type PreparedMerge } from '../../merging/planning/prepare.ts';
import { budgetOf, defaultCeiling } from '../../merging/streaming/budget.ts';
import type { Session } from '../session.ts';
import { fixesOf } from './fixes.ts';
import { recipeOf } from './recipes.ts';
import { unfinishedMerges } from './unfinished.ts';

/** Threads and memory as chosen, or as the machine allows. */
export function limitsOf({ threads, memoryBytes }: WeightsDraft) {
  return {
    threads: threads ?? availableParallelism(),
    ceilingBytes: memoryBytes ?? defaultCeiling(),
  };
}

/** The caller closes it. Throws `recipe.*`. */
export async function prepareDraft(draft: WeightsDraft, session: Session): Promise<PreparedMerge> {
  const { recipe, notes, oneVocabulary } = await recipeOf(draft, session);
  const out = draft.output === null ? undefined : session.pathOf(draft.output);
  const { overwrite } = draft;
  return prepareMerge(recipe, { ...limitsOf(draft), out, overwrite, notes, oneVocabulary });
}

export async function weightsPlan(draft: WeightsDraft, session: Session): Promise<WeightsPlan> {
  const prepared = await prepareDraft(draft, session);
  try {
    const { findings, plan } = prepared;
    const location = draft.output === null ? null : session.pathOf(draft.output);
    return {
      // The time stands among the needs.
      findings: findings
        .filter(({ id }) => id !== 'time')
        .map((found) => ({
          severity: found.severity,
          title: found.title,
          what: found.what,
          tensors: { examples: [...found.tensors.examples], count: found.tensors.count },
          fixes: fixesOf(found, draft, session),
        })),
      needs: plan === undefined ? null : await needsOf(prepared, plan, draft, location),
      location,
      unfinished: location !== null && (await unfinishedMerges(location)).length > 0,
      recipe: plan?.recipe ?? '',
    };
  } finally {
    await prepared.close();
  }
}

async function needsOf(
  { needs }: PreparedMerge,
  plan: MergePlan,
  draft: WeightsDraft,
  location: string | null,
): Promise<WeightsPlan['needs']> {
  if (needs === undefined) return null;
  const limits = limitsOf(draft);
  const { threads, peakBytes } = budgetOf(plan, limits);
  const { parameterCount, inputBytes, outputBytes, seconds } = needs;
  return {
    parameterCount,
    inputBytes,
    outputBytes: Math.round(outputBytes),
    seconds: seconds ?? null,
    memoryBytes: Math.ceil(peakBytes),
    ceilingBytes: limits.ceilingBytes,
    threads,
    freeDiskBytes: location === null ? null : await freeBytes(dirname(location)),
  };
}

async function freeBytes(folder: string): Promise<number | null> {
  const found = await statfs(folder).catch(() => undefined);
  return found === undefined ? null : found.bavail * found.bsize;
}
