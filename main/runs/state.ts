/** The resumable state of an adaptation in progress, one safetensors file. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import type { AdaptationState } from '../adaptation/adapt.ts';
import type { StepCriterionState } from '../adaptation/step-criterion.ts';
import type { Collapse } from '../api/report.ts';
import { openSafetensors } from '../checkpoints/safetensors.ts';
import { writeSafetensors, type TensorToWrite } from '../checkpoints/writer.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { BestStepState } from './best-step.ts';
import { collapsesSchema } from './guard.ts';

export interface SavedState {
  /** Id of the method (of the recipe) that was adapting. */
  readonly method: string;
  /** Events that were in the log when the state was saved. */
  readonly events: number;
  readonly adaptation: AdaptationState;
  /** Where the best step so far is kept for a person who may ask for it. */
  readonly best?: BestStepState | undefined;
  /** When a person or the guard has ended the adaptation: it is over, and its values are the kept ones. */
  readonly stopped?: StoppedAdaptation | undefined;
  /** Missing in states of earlier versions. */
  readonly criterion?: StepCriterionState | undefined;
  readonly collapses?: readonly Collapse[] | undefined;
}

/** An adaptation ended early, after `step`, with the parameters of `keptStep`. */
export interface StoppedAdaptation {
  readonly step: number;
  readonly keptStep: number;
  readonly by?: 'guard' | undefined;
}

const stoppedSchema = z.strictObject({
  step: z.number(),
  keptStep: z.number(),
  by: z.literal('guard').optional(),
});
const criterionSchema = z.strictObject({
  average: z.number(),
  seen: z.number(),
  usage: z.strictObject({
    seen: z.number(),
    tasks: z.array(
      z.strictObject({
        prediction: z.array(z.number()),
        information: z.number(),
        peak: z.number(),
      }),
    ),
  }),
});

export async function saveState(path: string, saved: SavedState): Promise<void> {
  const { values, adam, step, diversity } = saved.adaptation;
  const tensors: TensorToWrite[] = [];
  for (const [name, { shape, data }] of values) {
    const parts = { value: data, first: adam.first.get(name), second: adam.second.get(name) };
    for (const [part, content] of Object.entries(parts)) {
      if (content === undefined) throw new Error(`"${name}" has no ${part}`);
      tensors.push({ name: `${part}/${name}`, dtype: 'F32', shape, data: content });
    }
  }
  const { best, stopped, criterion, collapses } = saved;
  const copies: Record<string, ReadonlyMap<string, Float32Array> | undefined> = {
    best: best && new Map([...best.values].map(([name, { data }]) => [name, data])),
    'best-first': best?.onward?.adam.first,
    'best-second': best?.onward?.adam.second,
  };
  for (const [part, arrays] of Object.entries(copies)) {
    for (const [name, data] of arrays ?? []) {
      const shape = values.get(name)?.shape ?? [data.length];
      tensors.push({ name: `${part}/${name}`, dtype: 'F32', shape, data });
    }
  }
  const more = {
    ...(best && { bestStep: best.step, bestScore: best.score }),
    ...(best?.onward && { bestCriterion: best.onward.criterion }),
    ...(stopped && { stopped }),
    ...(criterion && { criterion }),
    ...(collapses && collapses.length > 0 && { collapses }),
    ...(diversity.size > 0 && { diversity: [...diversity] }),
  };
  const metadata = Object.entries({ events: saved.events, step, ...more }).map(
    ([key, value]) => [key, JSON.stringify(value)] as const,
  );
  await writeSafetensors(
    path,
    tensors,
    new Map([['method', saved.method], ...metadata]),
    { allowNonFinite: true },
  );
}

/** The saved state at `path`, or undefined when there is none. Throws `run.invalid`. */
export async function loadState(path: string): Promise<SavedState | undefined> {
  if (!existsSync(path)) return undefined;
  const file = await openSafetensors(path);
  try {
    const number = (key: string) => Number(file.metadata.get(key) ?? Number.NaN);
    const method = file.metadata.get('method');
    const [step, events] = [number('step'), number('events')];
    if (method === undefined || !Number.isInteger(step) || !Number.isInteger(events)) {
      throw new AppError('run.invalid', {
        what: 'the saved state does not say which step of which method it is',
        where: path,
        hint: 'remove the file to start the interrupted method again',
      });
    }
    const parts = new Map<string, Map<string, Tensor>>();
    for (const name of file.tensors.keys()) {
      const [part = '', ...rest] = name.split('/');
      const tensors = parts.get(part) ?? new Map<string, Tensor>();
      parts.set(part, tensors.set(rest.join('/'), await file.read(name)));
    }
    const tensorsOf = (part: string) => parts.get(part) ?? new Map<string, Tensor>();
    const arraysOf = (part: string) =>
      new Map([...tensorsOf(part)].map(([name, { data }]) => [name, data]));
    const json = <Value>(key: string, schema: z.ZodType<Value>): Value | undefined => {
      const text = file.metadata.get(key);
      return text === undefined ? undefined : schema.parse(JSON.parse(text));
    };
    const bestCriterion = json('bestCriterion', criterionSchema);
    const best: BestStepState | undefined = file.metadata.has('bestScore')
      ? {
          step: number('bestStep'),
          score: number('bestScore'),
          values: tensorsOf('best'),
          ...(bestCriterion && {
            onward: {
              adam: { first: arraysOf('best-first'), second: arraysOf('best-second') },
              criterion: bestCriterion,
            },
          }),
        }
      : undefined;
    return {
      method,
      events,
      adaptation: {
        step,
        values: tensorsOf('value'),
        adam: { first: arraysOf('first'), second: arraysOf('second') },
        diversity: new Map(json('diversity', z.array(z.tuple([z.number(), z.number()])))),
      },
      best,
      stopped: json('stopped', stoppedSchema),
      criterion: json('criterion', criterionSchema),
      collapses: json('collapses', collapsesSchema),
    };
  } finally {
    await file.close();
  }
}

export async function clearState(path: string): Promise<void> {
  await rm(path, { force: true });
}
