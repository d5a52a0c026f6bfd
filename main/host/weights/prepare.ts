/** A draft laid out and checked: planning's pre-flight in the words of the window. */
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import type { WeightsDraft, WeightsFinding, WeightsPlan } from '../../api/weights.ts';
import type { MergePlan } from '../../merging/plan.ts';
import type { Finding } from '../../merging/planning/findings.ts';
import { prepareMerge, type PreparedMerge } from '../../merging/planning/prepare.ts';
import { budgetOf, defaultCeiling } from '../../merging/streaming/budget.ts';
import { freeBytes } from '../free-bytes.ts';
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
        .map((found) => findingCard(found, draft, session)),
      needs: plan === undefined ? null : await needsOf(prepared, plan, draft, location),
      location,
      unfinished: location !== null && (await unfinishedMerges(location)).length > 0,
      recipe: plan?.recipe ?? '',
    };
  } finally {
    await prepared.close();
  }
}

/** A finding in the words of the window, with what one click does about it. */
export function findingCard(found: Finding, draft: WeightsDraft, session: Session): WeightsFinding {
  const { severity, title, what, tensors } = found;
  return {
    severity,
    title,
    what,
    tensors: { examples: [...tensors.examples], count: tensors.count },
    fixes: fixesOf(found, draft, session),
  };
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
