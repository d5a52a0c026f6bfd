/** Threads that work off tasks; the first failure, or a thread that ends by itself, fails everything. */
import { Worker } from 'node:worker_threads';
import { AppError, CancelledError } from '../../lib/errors.ts';
import type {
  MergeThreadData,
  Order,
  Reply,
  Task,
  TaskKind,
  Tasks,
  ThreadFailure,
} from './protocol.ts';
import { threadProgram, type ThreadProgram } from '../../lib/thread-program.ts';

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Answer<Kind extends TaskKind> = Tasks[Kind]['answer'];

/** One thread; answers come in the order of the tasks. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #ended: unknown;

  constructor({ file, options }: ThreadProgram) {
    this.#worker = new Worker(file, options);
    this.#worker.on('message', (reply: Reply) => this.#answer(reply));
    this.#worker.on('error', (error) => this.end(threadLost(error)));
    this.#worker.on('exit', (code) => this.end(threadLost(new Error(`exit code ${code}`))));
  }

  run(task: Task): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the error that ended the thread
        reject(this.#ended);
        return;
      }
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, task } satisfies Order);
    });
  }

  /** What is still waiting fails with `reason`; only the first reason counts. */
  end(reason: unknown): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  /** Stops the thread at once, whatever it does. */
  async stop(reason: unknown): Promise<void> {
    this.end(reason);
    await this.#worker.terminate();
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('failure' in reply) waiting?.reject(errorOf(reply.failure));
    else waiting?.resolve(reply.answer);
  }
}

function errorOf(failure: ThreadFailure): Error {
  if ('bug' in failure) return new Error(`a thread of the merge failed: ${failure.bug}`);
  return new AppError(failure.code, failure);
}

function threadLost(cause: Error): AppError {
  const memory = 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return new AppError('merge.worker_failed', {
    what: `a thread of the merge ended unexpectedly (${cause.message})`,
    hint: memory
      ? 'merge with fewer threads or a lower memory ceiling; nothing was changed'
      : 'merge again, which goes on where this one ended; report it if it happens again',
    cause,
  });
}

export class ThreadPool {
  readonly #threads: readonly Thread[];

  constructor(count: number, data: MergeThreadData, program = threadProgram('merge', data)) {
    this.#threads = Array.from({ length: count }, () => new Thread(program));
  }

  /** Gives every thread the same task. */
  async all<Kind extends TaskKind>(
    kind: Kind,
    request: Tasks[Kind]['request'],
  ): Promise<Answer<Kind>[]> {
    const task = { kind, request } as Task;
    return await Promise.all(this.#threads.map((thread) => thread.run(task)));
  }

  /** One task for the first thread; tasks that build on each other keep their order. */
  async first<Kind extends TaskKind>(
    kind: Kind,
    request: Tasks[Kind]['request'],
  ): Promise<Answer<Kind>> {
    return await this.#threads[0]!.run({ kind, request } as Task);
  }

  /**
   * Works off `items` in their order, one for each thread at a time; `work` runs the task it makes of an
   * item. Ends at the first failure, without waiting for the other threads.
   */
  async each<Item>(
    items: Iterable<Item>,
    work: (item: Item, run: TaskRunner) => Promise<void>,
  ): Promise<void> {
    const remaining = items[Symbol.iterator]();
    let failed = false;
    await Promise.all(
      this.#threads.map(async (thread) => {
        const run: TaskRunner = async (kind, request) =>
          await thread.run({ kind, request } as Task);
        try {
          for (let next = remaining.next(); next.done !== true; next = remaining.next()) {
            if (failed) return;
            await work(next.value, run);
          }
        } catch (error) {
          failed = true;
          throw error;
        }
      }),
    );
  }

  /** Stops all threads at once; what they were doing fails with CancelledError. */
  async stop(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.stop(new CancelledError())));
  }
}

export type TaskRunner = <Kind extends TaskKind>(
  kind: Kind,
  request: Tasks[Kind]['request'],
) => Promise<Answer<Kind>>;
