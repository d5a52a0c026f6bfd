/**
 * Experts that are CLIP vision encoders without their projection, as the FusionBench collections publish
 * them: fine-tuning left it as it was, so it is that of the base model.
 */
import type { Tensor } from '../lib/tensor.ts';
import type {
  CheckpointSource,
  StoredCheckpoint,
  TensorInfo,
  TensorLocation,
} from './checkpoint.ts';

const projection = 'visual_projection.weight';
/** What is projected comes out of this layer norm. */
const pooledNorm = 'vision_model.post_layernorm.weight';

/** Whether a checkpoint is a vision encoder without projection. */
export function mayLackProjection({ tensors }: StoredCheckpoint): boolean {
  return tensors.has(pooledNorm) && !tensors.has(projection);
}

export function hasProjection({ tensors }: StoredCheckpoint): boolean {
  return tensors.has(projection);
}

/** `expert` with the projection of `base`. Owns both: closing it closes them. */
export function withBaseProjection(
  expert: StoredCheckpoint,
  base: StoredCheckpoint,
): StoredCheckpoint {
  return new ProjectedCheckpoint(expert, base);
}

class ProjectedCheckpoint implements StoredCheckpoint {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly warnings: readonly string[];
  readonly #expert: StoredCheckpoint;
  readonly #base: StoredCheckpoint;

  constructor(expert: StoredCheckpoint, base: StoredCheckpoint) {
    this.#expert = expert;
    this.#base = base;
    const info = base.tensors.get(projection);
    if (info === undefined) throw new Error('the base has no projection');
    this.tensors = new Map([...expert.tensors, [projection, info]]);
    this.warnings = [...expert.warnings, 'Its visual projection is that of the base model.'];
  }

  get path(): string {
    return this.#expert.path;
  }

  get config(): unknown {
    return this.#expert.config;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#expert.metadata;
  }

  get source(): CheckpointSource {
    return this.#expert.source;
  }

  read(name: string): Promise<Tensor> {
    return this.#holder(name).read(name);
  }

  chunks(name: string): AsyncIterable<Uint8Array> {
    return this.#holder(name).chunks(name);
  }

  locate(name: string): TensorLocation | undefined {
    return this.#holder(name).locate(name);
  }

  verify(name: string): Promise<void> {
    return this.#holder(name).verify(name);
  }

  async close(): Promise<void> {
    await Promise.all([this.#expert.close(), this.#base.close()]);
  }

  #holder(name: string): StoredCheckpoint {
    return name === projection ? this.#base : this.#expert;
  }
}
