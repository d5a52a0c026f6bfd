/** What a model or an adapter is, from its headers. */
import type { WeightsCard, WeightsInspection } from '../../api/weights.ts';
import { isAdapter, openAdapter, type AdapterConfig } from '../../checkpoints/adapter.ts';
import { modelKind } from '../../checkpoints/architecture.ts';
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../checkpoints/open.ts';
import { modelTitle } from '../../hub/local.ts';
import { elementCount } from '../../lib/tensor.ts';
import { strangerError } from '../strangers.ts';

/** More than any list can show. */
const mostTensors = 5000;

/** Throws what opening it throws. */
export async function describeWeights(path: string): Promise<WeightsCard> {
  return withOpened(path, (checkpoint, adapter) => cardOf(path, checkpoint, adapter));
}

/** The same with everything that the headers say. */
export async function inspectWeights(path: string): Promise<WeightsInspection> {
  return withOpened(path, (checkpoint, adapter) => ({
    card: cardOf(path, checkpoint, adapter),
    metadata: [...checkpoint.metadata].map(([key, value]) => ({ key, value })),
    tensors: [...checkpoint.tensors.values()]
      .slice(0, mostTensors)
      .map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] })),
  }));
}

async function withOpened<Result>(
  path: string,
  describe: (checkpoint: StoredCheckpoint, adapter: AdapterConfig | undefined) => Result,
): Promise<Result> {
  if (await isAdapter(path)) {
    const adapter = await openAdapter(path);
    try {
      return describe(adapter.weights, adapter.config);
    } finally {
      await adapter.close();
    }
  }
  const checkpoint = await openCheckpoint(path).catch(async (error: unknown) => {
    throw await strangerError(error, path);
  });
  try {
    return describe(checkpoint, undefined);
  } finally {
    await checkpoint.close();
  }
}

function cardOf(
  path: string,
  checkpoint: StoredCheckpoint,
  adapter: AdapterConfig | undefined,
): WeightsCard {
  const infos = [...checkpoint.tensors.values()];
  return {
    title: modelTitle(path),
    location: path,
    kind: adapter === undefined ? 'model' : 'adapter',
    architecture:
      adapter === undefined
        ? architectureOf(checkpoint)
        : `LoRA of rank ${adapter.rank}, alpha ${adapter.alpha}`,
    format: checkpoint.source.format,
    dtypes: [...new Set(infos.map(({ dtype }) => dtype))],
    parameterCount: infos.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    bytes: Math.ceil(infos.reduce((sum, { byteLength }) => sum + byteLength, 0)),
    tensorCount: infos.length,
    madeFor: adapter?.baseModel ?? null,
    notes: [...checkpoint.warnings],
  };
}

function architectureOf(checkpoint: StoredCheckpoint): string | null {
  const kind = modelKind(checkpoint);
  if (kind === undefined) return null;
  const { num_hidden_layers: layers, hidden_size: width } = (checkpoint.config ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const known = typeof layers === 'number' && typeof width === 'number';
  return known ? `${kind.name}, ${layers} layers of width ${width}` : kind.name;
}
