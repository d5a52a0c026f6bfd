/** Pieces that several parts of the contract share. */
import { ORPCError } from '@orpc/client';
import { oc } from '@orpc/contract';
import { z } from 'zod';
import { errorCodes, type ErrorCode } from '../lib/error-codes.ts';

/** How images are corrupted; `kind` is one of merge.corruptions. */
export const corruptionChoice = z.strictObject({
  kind: z.string().max(100),
  severity: z.int().min(1).max(5),
  constants: z.enum(['by-size', 'cifar', 'imagenet']),
});
export type CorruptionChoice = z.output<typeof corruptionChoice>;

export const count = z.int().min(0);
export const share = z.number().min(0).max(1);

/** Names of tasks, runs and methods inside a project; never a path. */
export const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/);

/** Stands for a file or folder that a person chose in a dialog, dropped or had open; paths never cross. */
export const handle = z.string().regex(/^[0-9a-f]{32}$/);

/** What the window shows of an error; `code` is one of lib/error-codes.ts. */
export const failure = z.strictObject({
  code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
  what: z.string(),
  where: z.string().optional(),
  hint: z.string(),
});
export type Failure = z.output<typeof failure>;

/** A call that can fail in a way a person can act on; everything else that goes wrong is a bug. */
export const call = oc.errors({ FAILED: { message: 'The call failed', data: failure } });

/** The error such a call ends with; `cause` stays in the process that throws it. */
export function failed(data: Failure, cause?: unknown): Error {
  return new ORPCError('FAILED', { defined: true, message: data.what, data, cause });
}

export const parameterValue = z.union([z.number(), z.string(), z.boolean(), z.array(z.number())]);
