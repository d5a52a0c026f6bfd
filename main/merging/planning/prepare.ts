/** A recipe laid out and checked: pre-flight reads headers alone and says everything that it sees. */
import { resolve } from 'node:path';
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import { tiedNames } from '../../checkpoints/tied.ts';
import type { Method } from '../method.ts';
import type { MergePlan, TensorPlan } from '../plan.ts';
import type { MethodSettings } from '../settings.ts';
import { alignTensors, referenceOf, type Alignment } from './align.ts';
import { methodOf } from './check-settings.ts';
import { companionFiles, folderOf } from './companions.ts';
import { equaliseEmbeddings, type EqualisedModels } from './embeddings.ts';
import { finding, type Finding } from './findings.ts';
import { readFixes, type Fixes } from './fixes.ts';
import { leftOut, suggestRename } from './leftovers.ts';
import { Mismatches } from './mismatches.ts';
import { checkInputs, checkModels } from './model-checks.ts';
import { isVocabulary } from './names.ts';
import { modelsOf, openModels } from './open-models.ts';
import { planTensor } from './plan-tensors.ts';
import { formatMergeRecipe } from './recipe-file.ts';
import type { MergeRecipe } from './recipe.ts';
import { checkResources, needsOf, type MergeNeeds, type ResourceLimits } from './resources.ts';
import { SettingsAt } from './settings-at.ts';
import { commonChatTemplate, vocabularyKey } from './tokenizers.ts';
import { checkPasses, checkUse } from './usage-checks.ts';

export interface PrepareOptions extends ResourceLimits {
  /** From reading the recipe: what changes nothing. */
  readonly notes?: readonly string[];
  /** Where the recipe asks for one vocabulary, if it does. */
  readonly oneVocabulary?: string | undefined;
}

export interface PreparedMerge {
  /** Undefined where a finding is an error. */
  readonly plan: MergePlan | undefined;
  /** Errors first. */
  readonly findings: readonly Finding[];
  readonly needs: MergeNeeds | undefined;
  readonly close: () => Promise<void>;
}

/**
 * Opens the models of a recipe, whose paths are absolute, and plans the merge. Reads no weight. Throws
 * `recipe.unknown_method` and `recipe.invalid_parameter`; everything else that is wrong is a finding.
 */
export async function prepareMerge(
  recipe: MergeRecipe,
  options: PrepareOptions,
): Promise<PreparedMerge> {
  const method = methodOf(recipe.method, 'the recipe');
  const notes = (options.notes ?? []).map((note) => finding('note', note));
  const inputs = checkInputs(recipe, method);
  const fixes = readFixes(recipe.fixes);
  const opened = await openModels(recipe, fixes);
  const findings = [...inputs, ...opened.findings, ...notes];
  const done = (plan?: MergePlan, needs?: MergeNeeds): PreparedMerge => {
    const sorted = bySeverity(findings);
    const stopped = sorted[0]?.severity === 'error';
    return { plan: stopped ? undefined : plan, findings: sorted, needs, close: opened.close };
  };
  try {
    if (opened.findings.length > 0 || inputs.some(({ severity }) => severity === 'error')) {
      return done();
    }
    findings.push(...checkModels(recipe, opened.checkpoints));
    findings.push(...checkVocabularies(recipe, options.oneVocabulary));
    const models = equalised(opened.checkpoints, fixes);
    const planned = planModels(recipe, method, models, fixes);
    findings.push(...planned.findings);
    if (planned.tensors.length === 0) return done();
    const plan = completePlan(recipe, method, planned, models);
    findings.push(...checkPasses(recipe, plan));
    const { needs, findings: memory } = needsOf(plan, options);
    findings.push(...memory, ...(await checkResources(needs, options)));
    return done(plan, needs);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function equalised(
  checkpoints: ReadonlyMap<string, StoredCheckpoint>,
  { embeddings }: Fixes,
): EqualisedModels {
  if (embeddings === undefined) return { checkpoints, largest: undefined };
  return equaliseEmbeddings(checkpoints, embeddings);
}

interface PlannedTensors {
  readonly alignment: Alignment;
  readonly tensors: readonly TensorPlan[];
  readonly untied: boolean;
  readonly findings: readonly Finding[];
}

function planModels(
  recipe: MergeRecipe,
  method: Method,
  { checkpoints }: EqualisedModels,
  fixes: Fixes,
): PlannedTensors {
  const alignment = alignTensors(recipe, checkpoints);
  const mismatches = new Mismatches();
  const planner = {
    recipe,
    method,
    fixes,
    mismatches,
    settings: new SettingsAt(method, recipe),
    references: [...checkpoints.keys()],
    checkpoints: [...checkpoints.values()],
    tied: [...checkpoints.values()].map(tiedNames),
  };
  const tensors = alignment.tensors.flatMap((tensor) => planTensor(tensor, planner) ?? []);
  const findings = [
    ...alignment.findings,
    ...checkUse(recipe, alignment),
    ...mismatches.findings(fixes.intersection, (model) =>
      suggestRename(model, alignment, checkpoints),
    ),
    ...leftOut(alignment, checkpoints),
  ];
  const merged = tensors.some(({ kind }) => kind === 'merge') || method.id === 'passthrough';
  if (!merged && findings.every(({ severity }) => severity !== 'error')) {
    findings.push(finding('nothing_to_merge', 'no tensor is left that the models have alike'));
  }
  return { alignment, tensors, untied: mismatches.untiedHeads.size > 0, findings };
}

const torchNames = { fp32: 'float32', fp16: 'float16', bf16: 'bfloat16', keep: undefined } as const;

function completePlan(
  recipe: MergeRecipe,
  method: Method,
  { alignment, tensors, untied }: PlannedTensors,
  { checkpoints, largest }: EqualisedModels,
): MergePlan {
  const first = recipe.slices[0]!;
  const donor = recipe.base ?? referenceOf(first).model;
  const tokenizer = recipe.tokenizer ?? largest ?? donor;
  const chatTemplate =
    recipe.chatTemplate === 'auto' ? commonChatTemplate(modelsOf(recipe)) : recipe.chatTemplate;
  const decided: MergeRecipe = {
    ...recipe,
    chatTemplate,
    tokenizer: tokenizer === donor ? undefined : tokenizer,
  };
  const embeddings = tensors.find((tensor) => tensor.kind === 'merge' && isVocabulary(tensor.name));
  const resized = recipe.fixes.some((fix) => fix.startsWith('embeddings='));
  return {
    checkpoints: [...checkpoints.values()],
    method,
    settings: wholeSettings(method, tensors),
    seed: recipe.seed,
    tensors,
    companions: companionFiles(
      {
        configFolder: resolve(folderOf(donor)),
        tokenizerFolder: resolve(folderOf(tokenizer)),
        chatTemplate,
      },
      alignment.layout.stacks[0]?.layerCount ?? 0,
      {
        layers: alignment.chosenLayers,
        vocabularySize: resized && embeddings?.kind === 'merge' ? embeddings.shape[0] : undefined,
        dtype: torchNames[recipe.dtype],
        untied,
      },
    ),
    recipe: formatMergeRecipe(decided),
  };
}

/** Of all tensors' settings those that need the most passes, so that no tensor lacks one. */
function wholeSettings(method: Method, tensors: readonly TensorPlan[]): MethodSettings {
  const all = tensors.flatMap((tensor) => (tensor.kind === 'merge' ? [tensor.settings] : []));
  const passes = ({ parameters, settings }: MethodSettings): number =>
    method.passes?.(parameters, settings).length ?? 0;
  return [...new Set(all)].reduce((a, b) => (passes(b) > passes(a) ? b : a), {
    ...(all[0] ?? { parameters: {}, settings: [] }),
  });
}

function checkVocabularies(recipe: MergeRecipe, where: string | undefined): Finding[] {
  if (where === undefined) return [];
  const models = [
    ...new Set([...modelsOf(recipe), ...(recipe.tokenizer ? [recipe.tokenizer] : [])]),
  ];
  if (new Set(models.map(vocabularyKey)).size < 2) return [];
  const what = `${where} asks for one tokenizer, and the models have different vocabularies; rows of embeddings are not reordered here: merge models of one vocabulary, or remove the key to keep each row where it is`;
  return [finding('vocabulary_merge', what)];
}

const order = { error: 0, warning: 1, info: 2 } as const;

function bySeverity(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => order[a.severity] - order[b.severity]);
}
