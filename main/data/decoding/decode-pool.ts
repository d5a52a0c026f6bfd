/**
 * Threads that decode images while the engine computes. Orders are handed out when they are given, not when
 * a thread is free: an engine may keep this thread from handing out any for seconds.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AppError } from '../../lib/errors.ts';
import { threadProgram } from '../../lib/thread-program.ts';
import type { DecodeOrder, DecodeReply } from './protocol.ts';

/** More would wait for the disk and for each other. */
const mostThreads = 8;
/** Images of an order: few enough to share a batch out among threads. */
const imagesPerOrder = 8;

type Request = Omit<DecodeOrder, 'id'>;
interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class DecodePool {
  readonly #count: number;
  readonly #threads: DecodeThread[] = [];
  #next = 0;

  constructor(count = Math.min(mostThreads, availableParallelism())) {
    this.#count = count;
  }

  /** Fills `request.target`. Throws what decoding throws, of the first image that fails. */
  async prepare(request: Request): Promise<void> {
    const bytes = request.preprocessing.size ** 2 * 3;
    const parts: Promise<void>[] = [];
    for (let start = 0; start < request.images.length; start += imagesPerOrder) {
      const end = start + imagesPerOrder;
      const { cache } = request;
      const order = {
        ...request,
        images: request.images.slice(start, end),
        cache: cache && { ...cache, slots: cache.slots.slice(start, end) },
        offset: request.offset + start * bytes,
      };
      parts.push(this.#thread().give(order));
    }
    const results = await Promise.allSettled(parts);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #thread(): DecodeThread {
    const place = this.#next++ % this.#count;
    const known = this.#threads[place];
    if (known?.alive === true) return known;
    return (this.#threads[place] = new DecodeThread());
  }
}

class DecodeThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #orders = 0;
  alive = true;

  constructor() {
    const { file, options } = threadProgram('images', undefined);
    this.#worker = new Worker(file, options);
    // An idle thread keeps no program from ending.
    this.#worker.unref();
    this.#worker.on('message', (reply: DecodeReply) => {
      this.#settle(reply);
    });
    this.#worker.on('error', (error) => {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    });
    this.#worker.on('exit', (code) => {
      this.#end(new Error(`a thread that decodes images ended with code ${code}`));
    });
  }

  async give(request: Request): Promise<void> {
    const id = this.#orders++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ ...request, id } satisfies DecodeOrder);
    });
  }

  #settle({ id, failure }: DecodeReply): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#worker.unref();
    if (failure === undefined) pending?.resolve();
    else if ('bug' in failure) pending?.reject(new Error(failure.bug));
    else pending?.reject(new AppError(failure.code, failure));
  }

  #end(error: Error): void {
    this.alive = false;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
