/** Checks that read weights, for who asks for them. */
import type { WeightsScan, WeightsScanned, WeightsScanProgress } from '../../api/weights.ts';
import { AppError } from '../../lib/errors.ts';
import { sampleDistances, scanNonFinite } from '../../merging/planning/scan-values.ts';
import type { Session } from '../session.ts';
import { findingCard, prepareDraft } from './prepare.ts';

const checks = { non_finite: scanNonFinite, distance: sampleDistances } as const;

/** Throws `merge.preflight` where the headers already say that the draft cannot be merged, and what reading throws. */
export async function scanWeights(
  { draft, check }: WeightsScan,
  session: Session,
  signal: AbortSignal,
  push: (progress: WeightsScanProgress) => void,
): Promise<WeightsScanned> {
  const prepared = await prepareDraft({ ...draft, output: null }, session);
  try {
    const { plan, findings } = prepared;
    if (plan === undefined) {
      throw new AppError('merge.preflight', {
        what: findings[0]?.what ?? 'pre-flight found an error',
        hint: 'see “Before you merge”',
      });
    }
    let tensorCount = 0;
    const found = await checks[check](plan, {
      signal,
      onProgress(done, total) {
        tensorCount = total;
        push({ type: 'progress', done, total });
      },
    });
    const cards = found.map((one) => findingCard(one, draft, session));
    return { type: 'scanned', findings: cards, tensorCount };
  } finally {
    await prepared.close();
  }
}
