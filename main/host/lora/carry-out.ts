/** Carries a draft out, and says how it goes. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoraDraft, LoraFinished, LoraProgress } from '../../api/lora.ts';
import { AppError } from '../../lib/errors.ts';
import {
  combineFolders,
  extractFromFolders,
  type CarryOutOptions,
} from '../../merging/lora/carry-out.ts';
import type { Session } from '../session.ts';
import { combinationOf, extractionOf, inForm, wayOf } from './draft.ts';

/** As many as a reader compares; the adapter itself has all. */
const mostWeights = 100;

type Made = Pick<LoraFinished, 'weightCount' | 'ranks' | 'lacks'>;

/** Throws what `merging/lora` throws, and `file.write_failed` for a draft without a place. */
export async function makeAdapter(
  draft: LoraDraft,
  session: Session,
  signal: AbortSignal,
  push: (progress: LoraProgress) => void,
): Promise<LoraFinished> {
  if (draft.output === null) {
    const hint = 'choose a folder';
    throw new AppError('file.write_failed', { what: 'there is no place for the result', hint });
  }
  const out = session.pathOf(draft.output);
  const begun = performance.now();
  const onProgress = (done: number, total: number) => push({ type: 'progress', done, total });
  const options = { signal, onProgress };
  const made =
    draft.action === 'combine'
      ? await combine(draft, out, session, options)
      : await extract(draft, out, session, options);
  return {
    type: 'finished',
    location: out,
    place: session.open(out),
    way: wayOf(draft).title,
    seconds: (performance.now() - begun) / 1000,
    bytes: (await stat(join(out, 'adapter_model.safetensors'))).size,
    ...made,
  };
}

async function combine(
  draft: Extract<LoraDraft, { action: 'combine' }>,
  out: string,
  session: Session,
  options: CarryOutOptions,
): Promise<Made> {
  const { ranks } = await combineFolders(combinationOf(draft, session), out, inForm, options);
  return { weightCount: ranks.length, ranks: extent(ranks), lacks: null };
}

async function extract(
  draft: Extract<LoraDraft, { action: 'extract' }>,
  out: string,
  session: Session,
  options: CarryOutOptions,
): Promise<Made> {
  const report = await extractFromFolders(extractionOf(draft, session), out, inForm, options);
  const { weights, residual, lost } = report;
  return {
    weightCount: weights.length,
    ranks: extent(weights.map(({ rank }) => rank)),
    lacks: {
      residual,
      weights: weights.toSorted((a, b) => b.residual - a.residual).slice(0, mostWeights),
      lost: [...lost],
    },
  };
}

function extent(ranks: readonly number[]): LoraFinished['ranks'] {
  return { min: Math.min(...ranks), max: Math.max(...ranks) };
}
