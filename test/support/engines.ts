import type { Engine } from '../../main/engine/engine.ts';
import { openEngine, type EngineListingId } from '../../main/engine/registry.ts';

/** The engine, or a skip that prints why it cannot be had here. */
export async function engineOrSkip(
  id: EngineListingId,
  skip: (reason: string) => never,
): Promise<Engine> {
  try {
    return await openEngine(id);
  } catch (error) {
    return skip(error instanceof Error ? error.message : String(error));
  }
}
