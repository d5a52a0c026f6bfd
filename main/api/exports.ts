/** Writing a merged model of a finished run to disk. */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, count, handle, name, share } from './common.ts';

const choice = z.strictObject({
  format: z.enum(['safetensors', 'onnx']),
  mode: z.enum(['dynamic', 'static']),
  title: z.string(),
  /** Who this is for, in a sentence. */
  summary: z.string(),
  /** Size it would have; exact once exported. */
  bytes: count,
  /** Measured; null where it has not been yet (a fold is measured when it is exported). */
  average: share.nullable(),
  normalizedAverage: z.number().nullable(),
  recommended: z.boolean(),
});
export type ExportChoice = z.output<typeof choice>;

const finished = z.strictObject({
  type: z.literal('finished'),
  location: z.string(),
  /** For `shell.reveal`. */
  place: handle,
  bytes: count,
  average: share.nullable(),
  normalizedAverage: z.number().nullable(),
  /** What was compared after opening the written files again, in a sentence. */
  verification: z.string(),
  files: z.array(z.strictObject({ name: z.string(), bytes: count })),
  /** The shortest program that runs the files; null where only Mergewright reads them. */
  snippet: z.strictObject({ language: z.enum(['python', 'js']), code: z.string() }).nullable(),
});
export type ExportFinished = z.output<typeof finished>;

export const exportsContract = {
  choices: call.input(z.strictObject({ run: name, method: name })).output(z.array(choice)),
  /** Ending the iteration cancels; nothing half-written stays. */
  start: call
    .input(
      z.strictObject({
        run: name,
        method: name,
        format: choice.shape.format,
        mode: choice.shape.mode,
        /** Folder from a dialog; the project's `exports` folder when left out. */
        target: handle.optional(),
      }),
    )
    .output(
      eventIterator(
        z.discriminatedUnion('type', [
          z.strictObject({
            type: z.literal('progress'),
            stage: z.enum(['loading', 'measuring', 'writing', 'verifying', 'publishing']),
          }),
          finished,
        ]),
      ),
    ),
};
