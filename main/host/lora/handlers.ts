/** Handlers of the Merge view for LoRA adapters. */
import type { LoraFinished, LoraProgress, LoraWay } from '../../api/lora.ts';
import { combinationRecords, weightParameter } from '../../merging/lora/combination-records.ts';
import { extractionRecords } from '../../merging/lora/extraction-records.ts';
import type { AdapterRecord } from '../../merging/lora/record.ts';
import { callError } from '../failures.ts';
import { implementer } from '../implementer.ts';
import { parameterCards } from '../method-cards.ts';
import { streamOf } from '../stream.ts';
import { makeAdapter } from './carry-out.ts';
import { loraPlan } from './plan.ts';

const on = implementer.lora;

function card({ id, family, title, summary, formula, paper, parameters }: AdapterRecord): LoraWay {
  const forms = parameterCards(parameters);
  return { id, family, title, summary, formula, paper: { ...paper }, parameters: forms };
}

export const loraHandlers = {
  ways: on.ways.handler(() => ({
    combine: combinationRecords.map(card),
    extract: extractionRecords.map(card),
    weight: weightParameter,
  })),

  plan: on.plan.handler(({ input, context: { session } }) => loraPlan(input, session)),

  start: on.start.handler(({ input, context: { session }, signal }) =>
    streamOf<LoraProgress | LoraFinished>(
      signal,
      (error) => callError(error, session.log),
      (push, stopped) =>
        session.jobs.merge(stopped, async (ending) => {
          push(await makeAdapter(input, session, ending, push));
        }),
    ),
  ),
};
