/** Which engines run here, and how fast they are: asked once, as loading native libraries takes a while. */
import type { EngineCard } from '../api/merge.ts';
import { usualShape, type BlockShape } from '../engine/calibration-step.ts';
import { benchEngines, type BenchRow } from '../engine/choice.ts';
import { nameEngine } from '../engine/describe.ts';
import { listEngines } from '../engine/registry.ts';

export class EngineCards {
  #rows: Promise<readonly BenchRow[]> | undefined;
  /** Sizes that the speeds are of. */
  #measured: string | undefined;

  /** Lists anew when it is asked for again, as after an installation. */
  forget(): void {
    this.#rows = undefined;
    this.#measured = undefined;
  }

  /**
   * With `measure`, a step of the model that `shapeOf` tells the sizes of is timed on every engine, unless that was
   * done: what "Automatic" goes by.
   */
  async list(
    measure: boolean,
    shapeOf: () => Promise<BlockShape | undefined>,
  ): Promise<EngineCard[]> {
    if (measure) {
      const shape = (await shapeOf()) ?? usualShape;
      const sizes = JSON.stringify(shape);
      if (this.#measured !== sizes) this.#rows = benchEngines(shape);
      this.#measured = sizes;
    }
    this.#rows ??= listEngines().then((listed) =>
      listed.map((engine) => ({ engine, chosen: false })),
    );
    return (await this.#rows).map(card);
  }
}

function card({ engine, gflops, failure, chosen }: BenchRow): EngineCard {
  const { id, available } = engine;
  if (!available || failure !== undefined) {
    const reason = available ? `it does not compute: ${failure ?? ''}` : engine.reason;
    const nothing = { device: '', software: false, threads: 0, gflops: null, chosen: false };
    return { id, title: engine.title, available: false, reason, ...nothing };
  }
  return {
    id,
    title: nameEngine(engine),
    available,
    reason: '',
    device: engine.device,
    software: engine.adapter?.software === true,
    threads: engine.threads,
    gflops: gflops ?? null,
    chosen,
  };
}
