import { executePlan } from '../../merging/streaming/execute-plan.ts';
import { recordThroughput } from '../../merging/planning/throughput.ts';
import { createEngine } from '../../engine/choice.ts';
import { methodCatalogue } from '../../runs/catalogue.ts';
import { exportRun } from '../../runs/export-run.ts';
import { loadInputs } from '../../runs/inputs.ts';
import { mergeOnly } from '../../runs/merge-only.ts';
import { readRecipe, resolveRecipePaths } from '../../runs/recipe.ts';
import { recipeFolder } from '../../runs/run-folder.ts';
import type { MergekitTranslation } from '../../merging/planning/mergekit-yaml.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';
import { refuseFindings, renderFinding } from '../findings.ts';
import { byteCount, limitsOf, mergeOptions, readMergeInput } from '../merge-input.ts';
import { preflight, scanOptions, type PreflightOptions } from '../prepare-merge.ts';
import { chooseStatic } from '../run-as-merge.ts';

export const merge = defineCommand({
  name: 'merge',
  summary: 'Merge models by a mergekit YAML, a recipe, or flags, without evaluating',
  description:
    'Models of any architecture are merged tensor by tensor under a ceiling of memory; run again, an interrupted merge goes on. Nothing is downloaded. Of a recipe of a run it takes a static method and writes an ordinary encoder; methods that learn need run.',
  example:
    'mergewright merge --method ties --base base --set density=0.3 --set weight=0.5,0.3 math code --out merged',
  positionals: [
    {
      name: 'FILE|MODELS',
      summary: 'a mergekit YAML or a recipe; or the models, with --method',
      repeated: true,
    },
  ],
  options: {
    out: { kind: 'text', value: 'DIR', required: true, summary: 'folder to make' },
    ...mergeOptions,
    'shard-size': {
      kind: 'text',
      value: 'SIZE',
      summary: 'largest weight file, e.g. 2GB; otherwise 5GB',
    },
    overwrite: { kind: 'flag', summary: 'replace a folder that an earlier merge wrote' },
    ...scanOptions,
  },
  async run(values, positionals, context) {
    const { out, threads, memory, scan, distance, overwrite } = values;
    const shardSize = values['shard-size'];
    const input = await readMergeInput(positionals, values);
    if (input === undefined) return mergeRun(positionals[0] ?? '', values.method, out, context);
    return mergeWeights(
      input,
      { out, threads, memory, scan, distance, overwrite },
      shardSize === undefined ? undefined : byteCount(shardSize, '--shard-size'),
      context,
    );
  },
});

async function mergeWeights(
  input: MergekitTranslation,
  options: PreflightOptions & { readonly out: string },
  shardBytes: number | undefined,
  context: CommandContext,
): Promise<CommandResult> {
  const { signal, progress, terminal } = context;
  const prepared = await preflight(input, options, context);
  try {
    const { plan, findings, needs } = prepared;
    if (plan === undefined) throw refuseFindings(findings);
    for (const row of findings) progress.log(renderFinding(row, terminal));
    let started = false;
    const outcome = await executePlan(plan, options.out, {
      ...limitsOf(options),
      shardBytes,
      signal,
      resume: true,
      overwrite: options.overwrite,
      onProgress({ tensor, done, total }) {
        if (!started) progress.start(`Merging with ${plan.method.id}`, megabytes(total), 'MB');
        started = true;
        progress.update(megabytes(done), tensor);
      },
    });
    progress.finish('');
    // What an earlier merge had done already says nothing about this machine's speed.
    if (!outcome.resumed && needs !== undefined) {
      recordThroughput(plan.method.id, needs.inputBytes, 1000 * outcome.seconds);
    }
    const { path, files, parents, totalBytes, seconds, resumed, budget } = outcome;
    return {
      json: {
        method: plan.method.id,
        path,
        files,
        parents,
        totalBytes,
        seconds,
        resumed,
        threads: budget.threads,
        findings,
      },
      text: `Merged ${parents.length} models with ${plan.method.id} into ${path} (${plan.tensors.length} tensors, ${megabytes(totalBytes)} MB)`,
    };
  } finally {
    await prepared.close();
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

/** Merges by a static method of a run's recipe. */
async function mergeRun(
  path: string,
  method: string | undefined,
  out: string,
  { signal, progress }: CommandContext,
): Promise<CommandResult> {
  const recipe = await readRecipe(path, methodCatalogue);
  const entry = chooseStatic(recipe, method, path);
  const folder = await recipeFolder(path);
  const resolved = resolveRecipePaths(recipe, folder);
  progress.start('Loading', 1, 'recipes');
  const inputs = await loadInputs(resolved, undefined, signal);
  try {
    const engine = await createEngine('onnx');
    progress.start(`Merging with ${entry.id}`, 1, 'models');
    const finished = mergeOnly(entry, { recipe, recipeFolder: folder, inputs, engine });
    const { results } = await exportRun(finished, {
      method: entry.id,
      formats: ['safetensors'],
      mode: 'static',
      target: out,
      signal,
    });
    progress.update(1);
    const [written] = results;
    if (written === undefined) throw new Error('nothing was written');
    return {
      json: { method: entry.id, ...written },
      text: `Merged ${String(recipe.tasks.length)} experts with ${entry.id} into ${written.path}`,
    };
  } finally {
    await inputs.close();
  }
}
