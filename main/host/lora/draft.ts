/** Drafts of the window as what `merging/lora` is asked. */
import type { LoraDraft } from '../../api/lora.ts';
import { AppError } from '../../lib/errors.ts';
import { resolveParameters } from '../../lib/parameters.ts';
import type { Combination, ExtractionRequest } from '../../merging/lora/carry-out.ts';
import { combinationRecords, weightParameter } from '../../merging/lora/combination-records.ts';
import { extractionRecords } from '../../merging/lora/extraction-records.ts';
import type { AdapterRecord } from '../../merging/lora/record.ts';
import type { Session } from '../session.ts';

type Paths = Pick<Session, 'pathOf'>;
type Draft<Action> = Extract<LoraDraft, { action: Action }>;

/** Where a value stands, for errors. */
export const inForm = (key = ''): string => `${key} in the form`;

/** The record of a draft's way. Throws `recipe.unknown_method`. */
export function wayOf({ action, way }: Pick<LoraDraft, 'action' | 'way'>): AdapterRecord {
  return action === 'combine'
    ? recordOf(combinationRecords, way)
    : recordOf(extractionRecords, way);
}

export function combinationOf(draft: Draft<'combine'>, session: Paths): Combination {
  const { id, parameters } = recordOf(combinationRecords, draft.way);
  return {
    kind: id,
    paths: draft.adapters.map(({ handle }) => session.pathOf(handle)),
    weights: draft.adapters.map(({ weight }) => checkedWeight(id, weight)),
    parameters: known(draft.settings, parameters),
  };
}

export function extractionOf(draft: Draft<'extract'>, session: Paths): ExtractionRequest {
  const { id, parameters } = recordOf(extractionRecords, draft.way);
  return {
    by: id,
    tuned: session.pathOf(draft.tuned),
    base: session.pathOf(draft.base),
    parameters: known(draft.settings, parameters),
  };
}

/** Throws `recipe.invalid_parameter`. */
function checkedWeight(id: string, weight: number): number {
  const table = { id, parameters: { weight: weightParameter } };
  return resolveParameters(table, { weight }, 'the list of adapters').weight;
}

/** Values for another way stay in the draft, in case that one is chosen again. */
function known(settings: LoraDraft['settings'], table: object): LoraDraft['settings'] {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => key in table));
}

function recordOf<Record extends AdapterRecord>(records: readonly Record[], id: string): Record {
  const found = records.find((record) => record.id === id);
  if (found !== undefined) return found;
  throw new AppError('recipe.unknown_method', {
    what: `there is no way "${id}" to make an adapter`,
    where: 'the form',
    hint: `choose one of ${records.map((record) => record.id).join(', ')}`,
  });
}
