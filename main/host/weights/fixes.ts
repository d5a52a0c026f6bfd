/** What one click does about a finding: the draft as it would be then. */
import { basename } from 'node:path';
import type { WeightsDraft, WeightsFinding } from '../../api/weights.ts';
import type { Finding } from '../../merging/planning/findings.ts';
import type { Session } from '../session.ts';
import { referenceOf } from './recipes.ts';

type Fixes = WeightsFinding['fixes'];
type Paths = Pick<Session, 'pathOf'>;

/** By the findings, as they would put it; others are titled by the fix itself. */
const titles: Readonly<Record<string, string>> = {
  intersection: 'Merge what all models have alike',
  'embeddings=crop': 'Keep the rows all models have',
  'embeddings=keep': 'Keep all rows',
};

export function fixesOf({ id, fix, what }: Finding, draft: WeightsDraft, session: Paths): Fixes {
  if (id === 'output_exists') {
    return [{ title: 'Replace what is there', draft: { ...draft, overwrite: true } }];
  }
  if (id === 'base_missing') return baseFixes(draft, session);
  if (id === 'adapter_alone') return adapterFixes(what, draft, session);
  if (fix === undefined) return [];
  // Which rows to keep is a choice; planning names the safer one.
  const all = id === 'vocabulary' ? ['embeddings=crop', 'embeddings=keep'] : [fix];
  return all.flatMap((one) => fixed(one, draft));
}

/** Any of the models may be the one the others came from; the first is the best guess. */
function baseFixes(draft: WeightsDraft, session: Paths): Fixes {
  const { source } = draft;
  if (source.kind !== 'form') return [];
  return source.models
    .filter(({ on }) => on === null)
    .slice(0, 1)
    .map((model) => ({
      title: `Use ${basename(referenceOf(model, session))} as the base`,
      draft: { ...draft, source: { ...source, base: model.handle } },
    }));
}

/** The finding begins with the path of the adapter; it is applied to the base, or to the first other model. */
function adapterFixes(what: string, draft: WeightsDraft, session: Paths): Fixes {
  const { source } = draft;
  if (source.kind !== 'form') return [];
  const adapter = source.models.find(
    ({ handle, on }) => on === null && what.startsWith(`${session.pathOf(handle)} `),
  );
  const onto =
    source.base ??
    source.models.find(({ on, handle }) => on === null && handle !== adapter?.handle)?.handle;
  if (adapter === undefined || onto === undefined || onto === adapter.handle) return [];
  const models = source.models.map((model) => (model === adapter ? { ...model, on: onto } : model));
  const title = `Apply it to ${basename(session.pathOf(onto))}`;
  return [{ title, draft: { ...draft, source: { ...source, models } } }];
}

function fixed(fix: string, draft: WeightsDraft): Fixes {
  const [word = '', value = ''] = fix.split('=');
  if (word === 'base') return [];
  const [from = '', to = ''] = value.split(':');
  const renaming = to === '' ? `Leave “${from}” out of the names` : `Read “${from}…” as “${to}…”`;
  const title = titles[fix] ?? (word === 'rename' ? renaming : fix);
  const others = draft.fixes.filter(
    (one) => word !== 'embeddings' || !one.startsWith('embeddings='),
  );
  return [{ title, draft: { ...draft, fixes: [...others, fix] } }];
}
