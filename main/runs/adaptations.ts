/** What methods have learned, for runs after one another that differ in what is measured alone. */
import { createHash } from 'node:crypto';
import { goesOn } from './catalogue.ts';
import type { RunEvent } from './events.ts';
import type { PreparedMethod } from './prepare-method.ts';
import type { Adapted } from './run-adaptation.ts';
import type { MethodContext } from './run-method.ts';
import { engineText } from './run-start.ts';
import { seenPart } from './seen.ts';
import { storageOf } from './storage.ts';

/** What an adaptation ended with, and what it logged on the way. */
interface Kept {
  readonly adapted: Adapted;
  readonly events: readonly RunEvent[];
}

export class Adaptations {
  readonly #kept = new Map<string, Kept>();

  /**
   * The result of `adapt`, called only where nothing before it adapted the same model in the same way; else what was
   * logged then is logged again, in the name of `prepared.entry`. `again` says which of the two it was.
   */
  async of(
    prepared: PreparedMethod,
    context: MethodContext,
    adapt: (context: MethodContext) => Promise<Adapted>,
  ): Promise<Adapted & { readonly again: boolean }> {
    const key = adaptationKey(prepared, context);
    const found = this.#kept.get(key);
    if (found !== undefined) {
      for (const event of found.events) await context.log(renamed(event, prepared.entry.id));
      return { ...found.adapted, again: true };
    }
    const events: RunEvent[] = [];
    const log = async (event: RunEvent) => {
      events.push(event);
      await context.log(event);
    };
    const adapted = await adapt({ ...context, log });
    // Where a person ended it is no property of the recipe.
    const byHand = adapted.stopped !== undefined && adapted.stopped.by !== 'guard';
    if (!byHand) this.#kept.set(key, { adapted, events });
    return { ...adapted, again: false };
  }
}

function renamed(event: RunEvent, method: string): RunEvent {
  return 'method' in event ? { ...event, method } : event;
}

/**
 * Everything that the bytes of an adaptation, and of what it logs, depend on; the tasks in their order, as sums in
 * floating point depend on it too.
 */
function adaptationKey(prepared: PreparedMethod, context: MethodContext): string {
  const { recipe, inputs, engine } = seenPart(context);
  const { entry, model, settings } = prepared;
  const { evaluation_reduction: measuredBy, ...parameters } = prepared.parameters;
  // Features and predictions that an adaptation follows, and the monitor, are computed in batches of the evaluation.
  const ahead =
    model.byTask !== undefined || !['entropy', 'task'].includes(settings?.objective ?? '');
  const { monitor } = recipe;
  return JSON.stringify([
    entry.method,
    parameters,
    recipe.seed,
    recipe.adaptation,
    monitor === undefined ? null : [monitor, measuredBy],
    ahead || monitor !== undefined ? recipe.evaluation.batch : null,
    inputs.fingerprints.get('base'),
    inputs.tasks.map(({ id }) => [
      id,
      inputs.fingerprints.get(`expert/${id}`),
      inputs.fingerprints.get(`task/${id}`),
    ]),
    goesOn(entry) ? constantsHash(prepared) : null,
    storageOf(recipe),
    engineText(engine),
  ]);
}

/** Of the merge that a method goes on from, with what that learned. */
function constantsHash({ model }: PreparedMethod): string {
  const hash = createHash('sha256');
  for (const [name, { shape, data }] of model.constants) {
    hash.update(JSON.stringify([name, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
