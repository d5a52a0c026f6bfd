/** Small images of a project's tasks: asked for in batches, kept while the project is open. */
import { compute } from './connection.ts';
import { splitTiles, type Tile } from './pixels.ts';

/** The contract's limit of one call. */
const batchLimit = 512;
/** About 100 MB at 64 × 64. */
const cacheLimit = 6000;

interface Waiting {
  readonly resolve: (tile: Tile) => void;
  readonly reject: (error: unknown) => void;
}

let cache = new Map<string, Promise<Tile>>();
let queue = new Map<string, Map<number, Waiting>>();
let scheduled = false;

async function fetchBatch(task: string, waiting: [number, Waiting][]): Promise<void> {
  try {
    const images = waiting.map(([image]) => image);
    const { size, count, pixels } = await compute.project.tiles({ task, images });
    const tiles = splitTiles(size, count, pixels);
    waiting.forEach(([, { resolve, reject }], index) => {
      const one = tiles[index];
      if (one === undefined) reject(new Error(`no tile ${index} of ${count}`));
      else resolve(one);
    });
  } catch (error) {
    for (const [image, { reject }] of waiting) {
      cache.delete(`${task}/${image}`);
      reject(error);
    }
  }
}

function flush(): void {
  scheduled = false;
  const asked = queue;
  queue = new Map();
  for (const [task, images] of asked) {
    const all = [...images];
    for (let at = 0; at < all.length; at += batchLimit) {
      void fetchBatch(task, all.slice(at, at + batchLimit));
    }
  }
}

/** One image of a task. Those asked for in the same turn travel together. */
export function tile(task: string, image: number): Promise<Tile> {
  const key = `${task}/${image}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const wanted = new Promise<Tile>((resolve, reject) => {
    const images = queue.get(task) ?? new Map<number, Waiting>();
    queue.set(task, images.set(image, { resolve, reject }));
  });
  if (cache.size >= cacheLimit) {
    // The oldest half: maps keep the order of insertion.
    cache = new Map([...cache].slice(cacheLimit / 2));
  }
  cache.set(key, wanted);
  if (!scheduled) {
    scheduled = true;
    setTimeout(flush, 0);
  }
  return wanted;
}

/** Forgets all images; their names may mean others now. */
export function forgetTiles(): void {
  cache = new Map();
}
