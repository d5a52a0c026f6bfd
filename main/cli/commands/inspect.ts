import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isAdapter } from '../../checkpoints/adapter.ts';
import { modelKind, type ModelKind } from '../../checkpoints/architecture.ts';
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../checkpoints/open.ts';
import { shown } from '../../checkpoints/fail.ts';
import { tiedNames } from '../../checkpoints/tied.ts';
import { modelPath } from '../../hub/local.ts';
import { isHubReference } from '../../hub/name.ts';
import { AppError } from '../../lib/errors.ts';
import { elementCount } from '../../lib/tensor.ts';
import { measureTaskVectors } from '../../merging/task-vectors.ts';
import { tokenCount, type VisionConfig } from '../../models/vision-config.ts';
import { visionArchitecture } from '../../models/vision-model.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';
import { renderRows } from '../rows.ts';
import { inspectAdapter, inspectGlobals } from './inspect-adapter.ts';
import { inspectProject, inspectRun } from './inspect-run.ts';

export const inspect = defineCommand({
  name: 'inspect',
  summary: 'Show what a checkpoint, a model folder, a run or a project holds',
  description:
    'Of a checkpoint (safetensors, PyTorch, an adapter): format, architecture, number formats, parameters, files, and what is unusual. With --base also whether it can be merged with that base, and how far fine-tuning moved it. Of a run: status, methods and results.',
  example: 'mergewright inspect experts/mnist --base base',
  positionals: [
    {
      name: 'PATH',
      summary: 'a weight file, a model or adapter folder, a run folder or a project folder',
    },
  ],
  options: {
    base: {
      kind: 'text',
      value: 'PATH',
      summary: 'the base model: check that the two fit and measure the task vector',
    },
    tensors: { kind: 'flag', summary: 'list every tensor' },
    globals: {
      kind: 'flag',
      summary: 'list the code a PyTorch file mentions, also of one that is refused; nothing is run',
    },
  },
  async run({ base, tensors, globals }, [named = ''], context) {
    const path = isHubReference(named) ? modelPath('.', named) : named;
    if (existsSync(join(path, 'run.json'))) return inspectRun(path, context);
    if (existsSync(join(path, 'project.json'))) return inspectProject(path);
    if (globals) return inspectGlobals(path);
    if (await isAdapter(path)) return inspectAdapter(path, base);
    const checkpoint = await openCheckpoint(path);
    try {
      const found = describe(checkpoint);
      const distance =
        base === undefined ? undefined : await compareWithBase(checkpoint, base, context);
      return present(checkpoint, found, distance, tensors);
    } finally {
      await checkpoint.close();
    }
  },
});

interface Description {
  /** What kind of model it is, where that can be told; null otherwise. */
  readonly model: ModelKind | null;
  readonly format: string;
  readonly files: readonly string[];
  /** Groups of tensors that share bytes in the file. */
  readonly shared: readonly (readonly string[])[];
  /** Absent names and the tensors they are tied to. */
  readonly tied: Readonly<Record<string, string>>;
  readonly architecture: VisionConfig | null;
  /** Why the architecture is none this application reads; null when it is. */
  readonly problem: string | null;
  readonly dtypes: readonly string[];
  readonly parameterCount: number;
  readonly byteLength: number;
}

function describe(checkpoint: StoredCheckpoint): Description {
  const infos = [...checkpoint.tensors.values()];
  let architecture: VisionConfig | null = null;
  let problem: string | null = null;
  try {
    architecture = visionArchitecture(checkpoint);
  } catch (error) {
    // A head or a part of a model is worth looking at too.
    if (!(error instanceof AppError)) throw error;
    problem = error.what;
  }
  const { format, files, shared } = checkpoint.source;
  return {
    model: modelKind(checkpoint) ?? null,
    format,
    files,
    shared,
    tied: Object.fromEntries(tiedNames(checkpoint)),
    architecture,
    problem,
    dtypes: [...new Set(infos.map(({ dtype }) => dtype))],
    parameterCount: infos.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    byteLength: infos.reduce((sum, info) => sum + info.byteLength, 0),
  };
}

interface Distance {
  readonly path: string;
  readonly taskVectorNorm: number;
  readonly baseNorm: number;
  readonly layers: readonly { readonly name: string; readonly relative: number }[];
  readonly warnings: readonly string[];
}

async function compareWithBase(
  checkpoint: StoredCheckpoint,
  path: string,
  { progress, signal }: CommandContext,
): Promise<Distance> {
  const base = await openCheckpoint(path);
  try {
    let started = false;
    const { whole, layers, warnings } = await measureTaskVectors(base, [checkpoint], {
      signal,
      onProgress({ index, total }) {
        if (!started) progress.start('Measuring the task vector', total, 'tensors');
        started = true;
        progress.update(index);
      },
    });
    progress.abandon();
    const norm = whole.experts[0] ?? 0;
    return {
      path,
      taskVectorNorm: norm,
      baseNorm: whole.base,
      layers: layers.map(({ name, base: size, experts }) => ({
        name,
        relative: size === 0 ? 0 : (experts[0] ?? 0) / size,
      })),
      warnings: warnings.map(({ message }) => message),
    };
  } finally {
    await base.close();
  }
}

function present(
  checkpoint: StoredCheckpoint,
  found: Description,
  distance: Distance | undefined,
  listTensors: boolean,
): CommandResult {
  const infos = [...checkpoint.tensors.values()];
  const rows: [string, string][] = [
    ['path', checkpoint.path],
    ['format', formatText(found)],
    ['architecture', architectureText(found)],
    ['parameters', grouped(found.parameterCount)],
    ['dtype', found.dtypes.join(', ') || '–'],
    ['size', byteText(found.byteLength)],
    ['tensors', grouped(infos.length)],
    ...[...checkpoint.metadata].map(
      ([key, value]) => [`metadata ${shown(key)}`, shown(value)] as [string, string],
    ),
    ...checkpoint.warnings.map((text) => ['note', text] as [string, string]),
  ];
  if (distance !== undefined) rows.push(...distanceRows(distance));
  const sections = [renderRows(rows)];
  if (listTensors) {
    const list = infos.map(
      ({ name, dtype, shape }) => [name, `${dtype} [${shape.join(', ')}]`] as const,
    );
    sections.push(renderRows(list));
  }
  return {
    text: sections.join('\n\n'),
    json: {
      kind: 'checkpoint',
      path: resolve(checkpoint.path),
      ...found,
      tensorCount: infos.length,
      metadata: Object.fromEntries(checkpoint.metadata),
      warnings: checkpoint.warnings,
      ...(distance === undefined ? {} : { base: { ...distance, path: resolve(distance.path) } }),
      ...(listTensors ? { tensors: infos } : {}),
    },
  };
}

function distanceRows({
  path,
  taskVectorNorm,
  baseNorm,
  layers,
  warnings,
}: Distance): [string, string][] {
  const relative =
    baseNorm === 0 ? '' : `, ${percent(taskVectorNorm / baseNorm)} of the norm of the base`;
  return [
    ['base', `${path}: compatible`],
    ['task vector', `norm ${taskVectorNorm.toPrecision(4)}${relative}`],
    ...layers.map(({ name, relative: share }): [string, string] => [
      /^\d+$/.test(name) ? `  layer ${name}` : `  ${name}`,
      percent(share),
    ]),
    ...warnings.map((text): [string, string] => ['warning', text]),
  ];
}

function formatText({ format, files }: Description): string {
  return files.length === 1 ? format : `${format}, ${files.length} files`;
}

function architectureText({ architecture: config, problem, model }: Description): string {
  if (config === null) {
    const known = model === null ? '' : `${model.name}, by its ${model.from}; `;
    return `${known}not a CLIP vision encoder: ${problem ?? ''}`;
  }
  const { layerCount, hiddenSize, intermediateSize, headCount, imageSize, patchSize } = config;
  const projection =
    config.projectionSize === undefined ? '' : `, projected to ${config.projectionSize}`;
  return (
    `CLIP vision transformer: ${layerCount} layers of width ${hiddenSize} (MLP ${intermediateSize}, ` +
    `${headCount} heads, ${config.activation}), ${imageSize}×${imageSize} images in ${patchSize}×${patchSize} ` +
    `patches (${tokenCount(config)} tokens)${projection}`
  );
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(3)} %`;
}

function byteText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? bytes : value.toPrecision(value >= 100 ? 3 : 2)} ${units[power] ?? ''}`;
}
