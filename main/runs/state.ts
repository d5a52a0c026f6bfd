/** The resumable state of an adaptation in progress, one safetensors file. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { AdaptationState } from '../adaptation/adapt.ts';
import { openSafetensors } from '../checkpoints/safetensors.ts';
import { writeSafetensors, type TensorToWrite } from '../checkpoints/writer.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { BestStepState } from './best-step.ts';

export interface SavedState {
  /** Id of the method (of the recipe) that was adapting. */
  readonly method: string;
  /** Events that were in the log when the state was saved. */
  readonly events: number;
  readonly adaptation: AdaptationState;
  /** Where the best step so far is kept for a person who may ask for it. */
  readonly best?: BestStepState | undefined;
  /** When a person has ended the adaptation: it is over, and its values are the kept ones. */
  readonly stopped?: StoppedAdaptation | undefined;
}

/** An adaptation ended early, after `step`, with the parameters of `keptStep`. */
export interface StoppedAdaptation {
  readonly step: number;
  readonly keptStep: number;
}

export async function saveState(path: string, saved: SavedState): Promise<void> {
  const { values, adam, step } = saved.adaptation;
  const tensors: TensorToWrite[] = [];
  for (const [name, { shape, data }] of values) {
    const parts = { value: data, first: adam.first.get(name), second: adam.second.get(name) };
    for (const [part, content] of Object.entries(parts)) {
      if (content === undefined) throw new Error(`"${name}" has no ${part}`);
      tensors.push({ name: `${part}/${name}`, dtype: 'F32', shape, data: content });
    }
  }
  const { best, stopped } = saved;
  for (const [name, { shape, data }] of best?.values ?? []) {
    tensors.push({ name: `best/${name}`, dtype: 'F32', shape, data });
  }
  const numbers = {
    events: saved.events,
    step,
    ...(best && {
      bestAverage: best.average,
      bestSeen: best.seen,
      bestStep: best.step,
      bestLoss: best.loss,
    }),
    ...(stopped && { stoppedStep: stopped.step, keptStep: stopped.keptStep }),
  };
  const metadata = Object.entries(numbers).map(([key, value]) => [key, String(value)] as const);
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
    const values = new Map<string, Tensor>();
    const first = new Map<string, Float32Array>();
    const second = new Map<string, Float32Array>();
    const kept = new Map<string, Tensor>();
    for (const name of file.tensors.keys()) {
      const [part = '', ...rest] = name.split('/');
      const parameter = rest.join('/');
      const tensor = await file.read(name);
      if (part === 'value') values.set(parameter, tensor);
      else if (part === 'best') kept.set(parameter, tensor);
      else (part === 'first' ? first : second).set(parameter, tensor.data);
    }
    const best: BestStepState | undefined = file.metadata.has('bestStep')
      ? {
          average: number('bestAverage'),
          seen: number('bestSeen'),
          step: number('bestStep'),
          loss: number('bestLoss'),
          values: kept,
        }
      : undefined;
    const stopped = file.metadata.has('keptStep')
      ? { step: number('stoppedStep'), keptStep: number('keptStep') }
      : undefined;
    return {
      method,
      events,
      adaptation: { step, values, adam: { first, second }, diversity: new Map() },
      best,
      stopped,
    };
  } finally {
    await file.close();
  }
}

export async function clearState(path: string): Promise<void> {
  await rm(path, { force: true });
}
