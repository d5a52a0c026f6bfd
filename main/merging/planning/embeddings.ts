/** Vocabularies of different size made equal: rows cut off, or taken over from a model that has them. */
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import { viewed, type ViewedTensor } from '../../checkpoints/views.ts';
import type { EmbeddingRows } from './fixes.ts';
import { withRows, type MissingRows } from './joined-rows.ts';
import { isVocabulary } from './names.ts';

type Models = ReadonlyMap<string, StoredCheckpoint>;

interface Extent {
  readonly model: string;
  readonly checkpoint: StoredCheckpoint;
  readonly rows: number;
}

/** Models whose embeddings have all rows asked for, and the one that gives the rows others lack. */
export interface EqualisedModels {
  readonly checkpoints: Models;
  /** The model with the most rows, where rows were added. */
  readonly largest: string | undefined;
}

export function equaliseEmbeddings(models: Models, wanted: EmbeddingRows): EqualisedModels {
  const extents = embeddingExtents(models);
  let largest: string | undefined;
  const checkpoints = new Map(
    [...models].map(([model, checkpoint]) => {
      const cuts = new Map<string, number>();
      const missing = new Map<string, MissingRows>();
      for (const [tensor, list] of extents) {
        const own = list.find((extent) => extent.model === model);
        if (own === undefined) continue;
        const most = list.reduce((a, b) => (b.rows > a.rows ? b : a));
        const least = Math.min(...list.map(({ rows }) => rows));
        if (wanted === 'crop' && own.rows > least) cuts.set(tensor, least);
        if (wanted === 'keep' && own.rows < most.rows) {
          largest ??= most.model;
          missing.set(tensor, { from: most.checkpoint, tensor });
        }
      }
      return [model, withRows(cut(checkpoint, cuts), missing)];
    }),
  );
  return { checkpoints, largest };
}

/** Tensors by tokens that several models have, equal in everything but their rows. */
function embeddingExtents(models: Models): ReadonlyMap<string, readonly Extent[]> {
  const extents = new Map<string, Extent[]>();
  const forms = new Map<string, Set<string>>();
  for (const [model, checkpoint] of models) {
    for (const { name, shape, dtype } of checkpoint.tensors.values()) {
      if (!isVocabulary(name)) continue;
      extents.set(name, [...(extents.get(name) ?? []), { model, checkpoint, rows: shape[0] ?? 0 }]);
      const form = `${dtype} ${shape.slice(1).join()}`;
      forms.set(name, (forms.get(name) ?? new Set()).add(form));
    }
  }
  return new Map([...extents].filter(([name]) => forms.get(name)?.size === 1));
}

function cut(checkpoint: StoredCheckpoint, rows: ReadonlyMap<string, number>): StoredCheckpoint {
  if (rows.size === 0) return checkpoint;
  const views = new Map(
    [...checkpoint.tensors.keys()].map((from): [string, ViewedTensor] => {
      const kept = rows.get(from);
      return [from, { parts: [kept === undefined ? { from } : { from, rows: [0, kept] }] }];
    }),
  );
  return viewed(checkpoint, views);
}
