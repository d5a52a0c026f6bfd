/** Opens a model whatever it was saved as: in OpenCLIP's layout, or as an adapter of its base model. */
import { isAdapter, openAdapter } from './adapter.ts';
import { applyAdapter } from './apply-adapter.ts';
import type { StoredCheckpoint } from './checkpoint.ts';
import { asHuggingFaceClip } from './clip-names.ts';
import { openCheckpoint } from './open.ts';

/** As `openCheckpoint`, with a CLIP model always under the names of the Hugging Face layout. */
export async function openModel(path: string): Promise<StoredCheckpoint> {
  const checkpoint = await openCheckpoint(path);
  return asHuggingFaceClip(checkpoint) ?? checkpoint;
}

/**
 * A fine-tuned model of the base model at `basePath`: a whole model, or the folder of a LoRA adapter,
 * which is added to the base. Throws what opening models and adapters throws (`checkpoint.*`, `adapter.*`).
 */
export async function openExpert(
  path: string,
  basePath: string | undefined,
): Promise<StoredCheckpoint> {
  if (basePath === undefined || !(await isAdapter(path))) return openModel(path);
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
