/** Pre-flight as the commands run it, with the checks that read weights where they are asked for. */
import type { Finding } from '../merging/planning/findings.ts';
import type { MergekitTranslation } from '../merging/planning/mergekit-yaml.ts';
import { prepareMerge, type PreparedMerge } from '../merging/planning/prepare.ts';
import { sampleDistances, scanNonFinite } from '../merging/planning/scan-values.ts';
import type { CommandContext, OptionTable } from './command.ts';
import { limitsOf } from './merge-input.ts';

/** Checks that read weights. */
export const scanOptions = {
  scan: { kind: 'flag', summary: 'read every weight first and look for NaN and infinite values' },
  distance: { kind: 'flag', summary: 'compare a few tensors of each model with the base' },
} as const satisfies OptionTable;

export interface PreflightOptions {
  readonly out: string | undefined;
  readonly threads: number | undefined;
  readonly memory: string | undefined;
  readonly scan: boolean;
  readonly distance: boolean;
  readonly overwrite: boolean;
}

/** Lays the merge out and checks it; the caller closes it. */
export async function preflight(
  { recipe, notes, oneVocabulary }: MergekitTranslation,
  { out, scan, distance, overwrite, ...limits }: PreflightOptions,
  { signal, progress }: CommandContext,
): Promise<PreparedMerge> {
  const options = { ...limitsOf(limits), out, overwrite, notes, oneVocabulary };
  const prepared = await prepareMerge(recipe, options);
  const { plan } = prepared;
  if (plan === undefined || (!scan && !distance)) return prepared;
  try {
    const found: Finding[] = [];
    const watched = (what: string) => {
      progress.start(what, 0, 'tensors');
      const onProgress = (done: number): void => {
        progress.update(done);
      };
      return { signal, onProgress };
    };
    if (scan) found.push(...(await scanNonFinite(plan, watched('Reading every weight'))));
    if (distance) found.push(...(await sampleDistances(plan, watched('Comparing with the base'))));
    const stopped = found.some(({ severity }) => severity === 'error');
    return {
      ...prepared,
      plan: stopped ? undefined : plan,
      findings: [...found, ...prepared.findings],
    };
  } catch (error) {
    await prepared.close();
    throw error;
  }
}
