/** Opens a model whatever it was saved as: in OpenCLIP's layout, or as an adapter of its base model. */
import { isAdapter, openAdapter } from './adapter.ts';
import { applyAdapter } from './apply-adapter.ts';
import { hasProjection, mayLackProjection, withBaseProjection } from './base-projection.ts';
import type { StoredCheckpoint } from './checkpoint.ts';
import { asHuggingFaceClip } from './clip-names.ts';
import { openCheckpoint } from './open.ts';

/** As `openCheckpoint`, with a CLIP model always under the names of the Hugging Face layout. */
export async function openModel(path: string): Promise<StoredCheckpoint> {
  const checkpoint = await openCheckpoint(path);
  return asHuggingFaceClip(checkpoint) ?? checkpoint;
}

/**
 * A fine-tuned model of the base model at `basePath`: a whole model, the folder of a LoRA adapter, which is
 * added to the base, or a vision encoder without projection, which gets that of the base. Throws what
 * opening models and adapters throws (`checkpoint.*`, `adapter.*`).
 */
export async function openExpert(
  path: string,
  basePath: string | undefined,
): Promise<StoredCheckpoint> {
  if (basePath === undefined) return openModel(path);
  if (!(await isAdapter(path))) return openFineTuned(path, basePath);
  const adapter = await openAdapter(path);
  const base = await openModel(basePath).catch(async (error: unknown) => {
    await adapter.weights.close();
    throw error;
  });
  try {
    return applyAdapter(base, adapter);
  } catch (error) {
    await Promise.all([base.close(), adapter.weights.close()]);
    throw error;
  }
}

async function openFineTuned(path: string, basePath: string): Promise<StoredCheckpoint> {
  const expert = await openModel(path);
  if (!mayLackProjection(expert)) return expert;
  const base = await openModel(basePath).catch(async (error: unknown) => {
    await expert.close();
    throw error;
  });
  if (hasProjection(base)) return withBaseProjection(expert, base);
  await base.close();
  return expert;
}
