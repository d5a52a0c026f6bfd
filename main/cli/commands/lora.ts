import { openAdapter, type Adapter } from '../../checkpoints/adapter.ts';
import { openCheckpoint } from '../../checkpoints/open.ts';
import { AppError } from '../../lib/errors.ts';
import { linearAlgebra } from '../../merging/linear-algebra.ts';
import { combinations } from '../../merging/lora/combine.ts';
import { extractAdapter, type ExtractionReport } from '../../merging/lora/extract.ts';
import { mergeAdapters } from '../../merging/lora/merge-adapters.ts';
import { writeAdapter } from '../../merging/lora/write-adapter.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';

export const lora = defineCommand({
  name: 'lora',
  summary: 'Merge LoRA adapters into one, or extract one from a fine-tuned checkpoint',
  description:
    'merge takes two or more adapter folders; --kind is one of ' +
    `${combinations.join(', ')}. cat is exact, those ending in _svd and knots work on the changes, the others on the factors, as PEFT does. ` +
    'extract takes a checkpoint and, with --base, what it was tuned from, and says how much of the difference the adapter lacks.',
  example:
    'mergewright lora merge adapters/a adapters/b --kind ties_svd --density 0.3 --out merged',
  positionals: [
    { name: 'ACTION', summary: 'merge or extract' },
    { name: 'PATH', summary: 'adapter folders, or a checkpoint', repeated: true },
  ],
  options: {
    out: { kind: 'text', value: 'DIR', required: true, summary: 'folder to make' },
    kind: {
      kind: 'text',
      value: 'KIND',
      choices: combinations,
      summary: 'how adapters are combined, cat where not given',
    },
    weights: { kind: 'list', value: 'W', summary: 'one weight for each adapter; default: 1' },
    density: {
      kind: 'text',
      value: 'D',
      summary: 'share to keep in ties, dare and magnitude_prune',
    },
    majority: {
      kind: 'text',
      value: 'HOW',
      choices: ['total', 'frequency'],
      summary: 'sign of the sum (default), or of most adapters',
    },
    rank: { kind: 'integer', value: 'R', min: 1, max: 65_536, summary: 'rank of the result' },
    'svd-scaling': {
      kind: 'text',
      value: 'TIMES',
      choices: ['once', 'twice'],
      summary: 'twice: alpha / r enters the _svd kinds as in older PEFT, once where not given',
    },
    seed: { kind: 'integer', value: 'N', min: 0, max: 2 ** 31 - 1, summary: 'of dare; default: 0' },
    base: { kind: 'text', value: 'PATH', summary: 'extract: the base model' },
    'fan-in-fan-out': {
      kind: 'flag',
      summary: 'extract: the checkpoints keep weights as [in, out], as GPT-2 does',
    },
    energy: {
      kind: 'text',
      value: 'E',
      summary: 'extract: share of each squared norm to keep, instead of --rank',
    },
  },
  async run(values, [action = '', ...paths], context) {
    if (action === 'merge') return mergeFolders(values, paths, context);
    if (action === 'extract') return extractFolder(values, paths, context);
    return refuse(
      `"${action}" is neither merge nor extract`,
      'ACTION',
      'write lora merge or lora extract',
    );
  },
});

interface MergeValues {
  readonly out: string;
  readonly kind: (typeof combinations)[number] | undefined;
  readonly weights: readonly string[] | undefined;
  readonly density: string | undefined;
  readonly majority: 'total' | 'frequency' | undefined;
  readonly rank: number | undefined;
  readonly 'svd-scaling': 'once' | 'twice' | undefined;
  readonly seed: number | undefined;
}

async function mergeFolders(
  values: MergeValues,
  paths: readonly string[],
  { signal, progress }: CommandContext,
): Promise<CommandResult> {
  const { out, kind = 'cat', rank, seed = 0, majority = 'total' } = values;
  const weights = (values.weights ?? paths.map(() => '1')).map((text) =>
    number(text, '--weights', -1e6, 1e6),
  );
  if (weights.length !== paths.length) {
    const counts = `${String(weights.length)} weights for ${String(paths.length)} adapters`;
    refuse(`there are ${counts}`, '--weights', 'give one weight for each adapter');
  }
  const density = number(values.density ?? '1', '--density', 0.001, 1);
  const svdScaling = values['svd-scaling'] ?? 'once';
  const options = { rank, density, majority, svdScaling };
  const adapters: Adapter[] = [];
  try {
    for (const path of paths) adapters.push(await openAdapter(path));
    let started = false;
    const merged = await mergeAdapters(
      {
        kind,
        adapters,
        weights,
        options,
        seed,
        signal,
        onProgress(done, total) {
          if (!started) progress.start(`Merging with ${kind}`, total, 'weights');
          started = true;
          progress.update(done);
        },
      },
      linearAlgebra,
    );
    await writeAdapter(out, merged, signal);
    const ranks = merged.pairs.map((pair) => pair.rank);
    const largest = Math.max(...ranks);
    return {
      json: { path: out, kind, weights, ...options, seed, rank: largest, modules: ranks.length },
      text: `Merged ${String(paths.length)} adapters with ${kind} into ${out}: ${String(ranks.length)} weights, rank ${String(largest)}`,
    };
  } finally {
    for (const adapter of adapters) await adapter.close();
  }
}

interface ExtractValues {
  readonly out: string;
  readonly base: string | undefined;
  readonly rank: number | undefined;
  readonly energy: string | undefined;
  readonly 'fan-in-fan-out': boolean;
}

async function extractFolder(
  { out, base: basePath, rank, energy, 'fan-in-fan-out': fanInFanOut }: ExtractValues,
  [path = '', ...others]: readonly string[],
  { signal, progress }: CommandContext,
): Promise<CommandResult> {
  if (basePath === undefined)
    return refuse('the base model is missing', '--base', 'name it with --base');
  if (others.length > 0)
    refuse('there is more than one checkpoint', 'PATH', 'extract them one by one');
  if ((rank === undefined) === (energy === undefined)) {
    refuse('the size of the adapter is not clear', '--rank', 'give either --rank or --energy');
  }
  const size =
    rank === undefined ? { energy: number(energy ?? '', '--energy', 0.001, 1) } : { rank };
  const base = await openCheckpoint(basePath);
  try {
    const tuned = await openCheckpoint(path);
    try {
      let started = false;
      const { adapter, report } = await extractAdapter(
        {
          base,
          tuned,
          size,
          baseModel: basePath,
          fanInFanOut,
          signal,
          onProgress(done, total) {
            if (!started) progress.start('Extracting', total, 'tensors');
            started = true;
            progress.update(done);
          },
        },
        linearAlgebra,
      );
      await writeAdapter(out, adapter, signal);
      return { json: { path: out, ...report }, text: extractionText(out, report) };
    } finally {
      await tuned.close();
    }
  } finally {
    await base.close();
  }
}

function extractionText(out: string, { weights, lost, residual }: ExtractionReport): string {
  const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;
  const worst = weights.reduce((a, b) => (a.residual >= b.residual ? a : b));
  const ranks = weights.map(({ rank }) => rank);
  return [
    `Extracted an adapter for ${String(weights.length)} weights, rank ${String(Math.min(...ranks))} to ${String(Math.max(...ranks))}, into ${out}`,
    `It lacks ${percent(residual)} of the norm of the difference; most in ${worst.name}: ${percent(worst.residual)}`,
    ...(lost.length === 0
      ? []
      : [`Not in the adapter, because no linear layer has them: ${lost.join(', ')}`]),
  ].join('\n');
}

function number(text: string, option: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max) return value;
  return refuse(
    `"${text}" is no number from ${String(min)} to ${String(max)}`,
    option,
    'change it',
  );
}

function refuse(what: string, where: string, hint: string): never {
  throw new AppError('recipe.invalid_parameter', { what, where, hint });
}
