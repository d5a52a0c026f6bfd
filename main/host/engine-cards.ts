/** Which engines run here, and how fast they are: asked once, as loading native libraries takes a while. */
import type { EngineCard } from '../api/merge.ts';
import { measureGflops } from '../engine/benchmark.ts';
import { listEngines, openEngine, type EngineListing } from '../engine/registry.ts';

/** The reference multiplies in plain loops: a small matrix tells its speed. */
const referenceSize = 96;

export class EngineCards {
  #listings: Promise<EngineListing[]> | undefined;
  readonly #speeds = new Map<string, number>();

  /** With `measure`, every engine that was not measured yet is. */
  async list(measure: boolean): Promise<EngineCard[]> {
    this.#listings ??= listEngines();
    const cards: EngineCard[] = [];
    for (const listing of await this.#listings) {
      if (measure && listing.available) await this.#measure(listing.id);
      cards.push({
        id: listing.id,
        title: listing.title,
        available: listing.available,
        reason: listing.available ? '' : listing.reason,
        device: listing.available ? listing.device : '',
        threads: listing.available ? listing.threads : 0,
        gflops: this.#speeds.get(listing.id) ?? null,
      });
    }
    return cards;
  }

  async #measure(id: EngineListing['id']): Promise<void> {
    if (this.#speeds.has(id)) return;
    const options = id === 'reference' ? { size: referenceSize } : {};
    this.#speeds.set(id, await measureGflops(await openEngine(id), options));
  }
}
