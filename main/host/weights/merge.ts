/** Carries out a draft, and says how it goes. */
import type { WeightsDraft, WeightsFinished, WeightsProgress } from '../../api/weights.ts';
import { AppError } from '../../lib/errors.ts';
import { recordThroughput } from '../../merging/planning/throughput.ts';
import { executePlan, type MergeOutcome } from '../../merging/streaming/execute-plan.ts';
import type { Session } from '../session.ts';
import { limitsOf, prepareDraft } from './prepare.ts';

/** Throws `merge.preflight` where the draft cannot be merged, and what `executePlan` throws. */
export async function mergeWeights(
  draft: WeightsDraft,
  session: Session,
  signal: AbortSignal,
  onProgress: (progress: WeightsProgress) => void,
): Promise<WeightsFinished> {
  if (draft.output === null) throw refused('there is no place for the result', 'choose a folder');
  const out = session.pathOf(draft.output);
  const prepared = await prepareDraft(draft, session);
  try {
    const { plan, needs, findings } = prepared;
    if (plan === undefined) {
      const [first] = findings;
      throw refused(first?.what ?? 'pre-flight found an error', 'see “Before you merge”');
    }
    const outcome = await executePlan(plan, out, {
      ...limitsOf(draft),
      shardBytes: draft.shardBytes ?? undefined,
      signal,
      resume: true,
      overwrite: draft.overwrite,
      onProgress: ({ secondsLeft = null, done, total, ...rest }) =>
        onProgress({
          type: 'progress',
          ...rest,
          done: Math.round(done),
          total: Math.round(total),
          secondsLeft,
        }),
    });
    // What an earlier merge had done already says nothing about this machine's speed.
    if (!outcome.resumed && needs !== undefined) {
      recordThroughput(plan.method.id, needs.inputBytes, 1000 * outcome.seconds);
    }
    return describe(outcome, plan.method.title, session);
  } finally {
    await prepared.close();
  }
}

function refused(what: string, hint: string): AppError {
  return new AppError('merge.preflight', { what, hint });
}

function describe(outcome: MergeOutcome, method: string, session: Session): WeightsFinished {
  const { path, files, parents, totalBytes, seconds, resumed, budget } = outcome;
  return {
    type: 'finished',
    location: path,
    place: session.open(path),
    method,
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
    parents: parents.map(({ name, files: own }) => ({
      name,
      files: own.map((file) => ({ name: file.name, bytes: file.bytes, sha256: file.sha256 })),
    })),
    totalBytes,
    seconds,
    resumed,
    threads: budget.threads,
  };
}
