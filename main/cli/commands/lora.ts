import { AppError } from '../../lib/errors.ts';
import type { GivenParameters } from '../../lib/parameters.ts';
import { combineFolders, extractFromFolders } from '../../merging/lora/carry-out.ts';
import { combinations } from '../../merging/lora/combine.ts';
import type { ExtractionReport } from '../../merging/lora/extract.ts';
import { weightParameter } from '../../merging/lora/combination-records.ts';
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
  const { out, kind = 'cat', majority, rank, seed } = values;
  const weights = (values.weights ?? paths.map(() => '1')).map((text) =>
    number(text, '--weights', weightParameter.range),
  );
  if (weights.length !== paths.length) {
    const counts = `${String(weights.length)} weights for ${String(paths.length)} adapters`;
    refuse(`there are ${counts}`, '--weights', 'give one weight for each adapter');
  }
  const density =
    values.density === undefined ? undefined : number(values.density, '--density', anyNumber);
  const parameters = { density, majority, rank, svd_scaling: values['svd-scaling'], seed };
  const outcome = await combineFolders(
    { kind, paths, weights, parameters: givenOf(parameters) },
    out,
    flagOf,
    { signal, onProgress: progressOf(progress, `Merging with ${kind}`, 'weights') },
  );
  const { options, ranks } = outcome;
  const largest = Math.max(...ranks);
  return {
    json: {
      path: out,
      kind,
      weights,
      ...options,
      seed: outcome.seed,
      rank: largest,
      modules: ranks.length,
    },
    text: `Merged ${String(paths.length)} adapters with ${kind} into ${out}: ${String(ranks.length)} weights, rank ${String(largest)}`,
  };
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
  const turned = { fan_in_fan_out: fanInFanOut };
  const report = await extractFromFolders(
    {
      by: rank === undefined ? 'energy' : 'rank',
      tuned: path,
      base: basePath,
      parameters:
        rank === undefined
          ? { ...turned, energy: number(energy ?? '', '--energy', anyNumber) }
          : { ...turned, rank },
    },
    out,
    flagOf,
    { signal, onProgress: progressOf(progress, 'Extracting', 'tensors') },
  );
  return { json: { path: out, ...report }, text: extractionText(out, report) };
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

/** Those that were given. */
function givenOf(parameters: Readonly<Record<string, unknown>>): GivenParameters {
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));
}

function flagOf(key = ''): string {
  return `--${key.replaceAll('_', '-')}`;
}

function progressOf(progress: CommandContext['progress'], what: string, unit: string) {
  let started = false;
  return (done: number, total: number): void => {
    if (!started) progress.start(what, total, unit);
    started = true;
    progress.update(done);
  };
}

/** The table of the kind has the range. */
const anyNumber = { min: -Infinity, max: Infinity };

function number(text: string, option: string, { min, max }: typeof anyNumber): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max) return value;
  const range = Number.isFinite(min) ? ` from ${String(min)} to ${String(max)}` : '';
  return refuse(`"${text}" is no number${range}`, option, 'change it');
}

function refuse(what: string, where: string, hint: string): never {
  throw new AppError('recipe.invalid_parameter', { what, where, hint });
}
