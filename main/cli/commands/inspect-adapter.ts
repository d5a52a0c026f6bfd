/** `mergewright inspect` of an adapter, and of the code a PyTorch file mentions. */
import { resolve } from 'node:path';
import { openAdapter, type Adapter } from '../../checkpoints/adapter.ts';
import { applyAdapter } from '../../checkpoints/apply-adapter.ts';
import { shown } from '../../checkpoints/fail.ts';
import { openCheckpoint } from '../../checkpoints/open.ts';
import { pickleGlobals } from '../../checkpoints/pytorch/pickle-globals.ts';
import { AppError } from '../../lib/errors.ts';
import { elementCount } from '../../lib/tensor.ts';
import type { CommandResult } from '../command.ts';
import { renderRows } from '../rows.ts';

/** The names of code that the pickle of a PyTorch file mentions. */
export async function inspectGlobals(path: string): Promise<CommandResult> {
  const found = await pickleGlobals(path);
  if (found === undefined) {
    throw new AppError('checkpoint.wrong_format', {
      what: 'this file holds no pickle, so it cannot mention code',
      where: path,
      hint: 'inspect it without --globals',
    });
  }
  const rows = found.names.map(({ name, allowed }): [string, string] => [
    // Names come from a foreign file.
    shown(name),
    allowed ? 'plain weights' : 'code: never run, and the file is refused',
  ]);
  if (!found.complete) rows.push(['…', 'the pickle is damaged from here on']);
  return {
    text: rows.length === 0 ? 'It mentions no code.' : renderRows(rows),
    json: { kind: 'globals', path: resolve(path), ...found },
  };
}

/** What a LoRA adapter holds, and whether it fits a base. */
export async function inspectAdapter(
  path: string,
  base: string | undefined,
): Promise<CommandResult> {
  const adapter = await openAdapter(path);
  let fits: string | undefined;
  try {
    if (base !== undefined) {
      const model = await openCheckpoint(base);
      try {
        applyAdapter(model, adapter);
        fits = `${base}: compatible`;
      } finally {
        await model.close();
      }
    }
    return presentAdapter(adapter, fits);
  } finally {
    await adapter.close();
  }
}

function presentAdapter(adapter: Adapter, fits: string | undefined): CommandResult {
  const { config, pairs, replacements, weights } = adapter;
  const infos = [...weights.tensors.values()];
  const parameterCount = infos.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const scalings = [...new Set([...pairs.values()].map(({ scaling }) => scaling.toPrecision(4)))];
  const dtypes = [...new Set(infos.map(({ dtype }) => dtype))];
  const rows: [string, string][] = [
    ['path', adapter.path],
    ['format', `LoRA adapter (${weights.source.format})`],
    ['rank', `${config.rank}, alpha ${config.alpha}, scaling ${scalings.join(', ')}`],
    ['changes', `${pairs.size} weights; replaces ${replacements.size} tensors`],
    ['parameters', parameterCount.toLocaleString('en-US')],
    ['dtype', dtypes.join(', ')],
    ...(config.baseModel === undefined
      ? []
      : [['made for', shown(config.baseModel)] as [string, string]]),
    ...(fits === undefined ? [] : [['base', fits] as [string, string]]),
    ...weights.warnings.map((text): [string, string] => ['note', text]),
  ];
  return {
    text: renderRows(rows),
    json: {
      kind: 'adapter',
      path: resolve(adapter.path),
      config,
      targets: [...pairs.keys()],
      replacements: [...replacements.keys()],
      parameterCount,
      dtypes,
      warnings: weights.warnings,
    },
  };
}
