/** The program of a thread of a merge: does what it is told, one task after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../../lib/errors.ts';
import { methods } from '../index.ts';
import { CheckThread } from './check-thread.ts';
import { MergeThread } from './merge-thread.ts';
import type { MergeThreadData, Order, Reply, Task, ThreadFailure } from './protocol.ts';

const data = workerData as { readonly data: MergeThreadData };
const port = parentPort;
if (port === null) throw new Error('this program runs in a thread of a merge');

const checks = new CheckThread();
let thread: MergeThread | undefined;

function merging(): MergeThread {
  if (thread !== undefined) return thread;
  const method = methods.find(({ id }) => id === data.data.method);
  if (method === undefined) throw new Error(`there is no method "${String(data.data.method)}"`);
  return (thread = new MergeThread(data.data, method));
}

function perform(task: Task): unknown {
  switch (task.kind) {
    case 'prepare':
      merging().prepare(task.request);
      return undefined;
    case 'tally':
      return merging().tally(task.request);
    case 'collect':
      return merging().collect(task.request);
    case 'merge':
      return merging().merge(task.request);
    case 'mergeToMemory':
      return merging().mergeToMemory(task.request);
    case 'cast':
      return merging().cast(task.request);
    case 'copy':
      return merging().copy(task.request);
    case 'checksum':
      return checks.checksum(task.request);
    case 'digest':
      return checks.digest(task.request);
    case 'hashFile':
      return checks.hashFile(task.request);
  }
}

function failureOf(error: unknown): ThreadFailure {
  if (error instanceof AppError) return error.failure;
  return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

async function answer({ id, task }: Order): Promise<void> {
  let reply: Reply;
  try {
    reply = { id, answer: await perform(task) };
  } catch (error) {
    reply = { id, failure: failureOf(error) };
  }
  // Merged values and tallies are handed over; everything else is small and copied.
  const large = task.kind === 'mergeToMemory' || task.kind === 'collect';
  const result = large && 'answer' in reply ? reply.answer : undefined;
  port?.postMessage(reply, [...new Set(buffersIn(result))]);
}

/** Of the typed arrays in plain data. */
function buffersIn(value: unknown): ArrayBuffer[] {
  if (typeof value !== 'object' || value === null) return [];
  if (ArrayBuffer.isView(value)) return [value.buffer as ArrayBuffer];
  const members = value instanceof Map ? [...value.values()] : Object.values(value);
  return members.flatMap(buffersIn);
}

port.on('message', (order: Order) => void answer(order));
