/** Opens the models of a recipe, each once, under the names the recipe's rules give their tensors. */
import { resolve } from 'node:path';
import { isAdapter, openAdapter } from '../../checkpoints/adapter.ts';
import { applyAdapter } from '../../checkpoints/apply-adapter.ts';
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import { asHuggingFaceClip, asOpenClip } from '../../checkpoints/clip-names.ts';
import { openCheckpoint } from '../../checkpoints/open.ts';
import { viewed } from '../../checkpoints/views.ts';
import { AppError } from '../../lib/errors.ts';
import { referenceOf } from './align.ts';
import { finding, type Finding } from './findings.ts';
import type { Fixes, NameRule } from './fixes.ts';
import type { MergeRecipe, RecipeSlice } from './recipe.ts';
import { splitReference } from './references.ts';

export interface OpenedModels {
  /** By reference, those of the base first; what could not be opened is missing. */
  readonly checkpoints: ReadonlyMap<string, StoredCheckpoint>;
  readonly findings: readonly Finding[];
  readonly close: () => Promise<void>;
}

/** All references of a recipe's weights, in the order of their first use. */
export function modelsOf({ slices }: Pick<MergeRecipe, 'slices'>): readonly string[] {
  const of = ({ base, experts }: RecipeSlice): readonly string[] => [
    ...(base === undefined ? [] : [base.model]),
    ...experts.map(({ model }) => model),
  ];
  return [...new Set(slices.flatMap(of))];
}

/** Opens every model; a model that cannot be opened becomes a finding. */
export async function openModels(
  recipe: MergeRecipe,
  { renames, unchecked }: Pick<Fixes, 'renames' | 'unchecked'>,
): Promise<OpenedModels> {
  const opened = new Map<string, StoredCheckpoint>();
  const findings: Finding[] = [];
  for (const reference of modelsOf(recipe)) {
    if (await isAdapter(reference)) {
      const what = `${reference} holds changes to a model, not a model; write MODEL+${reference} to have them applied`;
      findings.push(finding('adapter_alone', what));
      continue;
    }
    try {
      opened.set(reference, await openModel(reference, unchecked));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      findings.push(finding('model_unreadable', error.message));
    }
  }
  const [first] = recipe.slices;
  const leader = first && opened.get(referenceOf(first).model);
  const checkpoints = new Map(
    [...opened].map(([reference, checkpoint]) => [
      reference,
      leader === undefined ? checkpoint : namedAs(leader, checkpoint, renames),
    ]),
  );
  return {
    checkpoints,
    findings,
    close: async () => {
      await Promise.all([...opened.values()].map((checkpoint) => checkpoint.close()));
    },
  };
}

async function openModel(
  reference: string,
  unchecked: readonly string[],
): Promise<StoredCheckpoint> {
  const { model, adapter } = splitReference(reference);
  const checkpoint = await openCheckpoint(model, {
    ignoreChecksums: unchecked.some((path) => resolve(path) === resolve(model)),
  });
  if (adapter === undefined) return checkpoint;
  return applyAdapter(checkpoint, await openAdapter(adapter));
}

/** A model under the names of the first one: in its layout of CLIP where both are CLIP, rules applied. */
function namedAs(
  { tensors }: StoredCheckpoint,
  checkpoint: StoredCheckpoint,
  rules: readonly NameRule[],
): StoredCheckpoint {
  const isKnown = (name: string): boolean => tensors.has(name);
  const layouts = [checkpoint, asHuggingFaceClip(checkpoint), asOpenClip(checkpoint)];
  const alike = layouts.find((layout) => [...(layout?.tensors.keys() ?? [])].some(isKnown));
  return renamed(alike ?? checkpoint, rules, isKnown);
}

/** Names the first model has stay as they are, so that one rule does for models of several layouts. */
function renamed(
  checkpoint: StoredCheckpoint,
  rules: readonly NameRule[],
  isKnown: (name: string) => boolean,
): StoredCheckpoint {
  const newName = (name: string): string => {
    const rule = isKnown(name) ? undefined : rules.find(({ from }) => name.startsWith(from));
    return rule === undefined ? name : rule.to + name.slice(rule.from.length);
  };
  const names = [...checkpoint.tensors.keys()];
  const changed = names.filter((name) => newName(name) !== name);
  if (changed.length === 0) return checkpoint;
  const views = new Map(names.map((from) => [newName(from), { parts: [{ from }] }]));
  return viewed(checkpoint, views, [`${changed.length} tensors are renamed.`]);
}
