/** Small images of a project's tasks: asked for in batches, kept while the project is open. */
import type { CorruptionChoice } from '../../main/api/common.ts';
import { compute } from './connection.ts';
import { splitTiles, type Tile } from './pixels.ts';

/** The contract's limit of one call. */
const batchLimit = 512;
/** About 100 MB at 64 × 64. */
const cacheLimit = 6000;

/** With the seed of the run whose noise it is. */
export type TileCorruption = CorruptionChoice & { readonly seed: number };

/** Images of one task that are asked for together. */
interface Asked {
  readonly task: string;
  readonly corruption: TileCorruption | undefined;
  readonly images: Map<number, Waiting>;
}

interface Waiting {
  readonly resolve: (tile: Tile) => void;
  readonly reject: (error: unknown) => void;
}

let cache = new Map<string, Promise<Tile>>();
let queue = new Map<string, Asked>();
let scheduled = false;

async function fetchBatch(
  key: string,
  { task, corruption }: Asked,
  waiting: [number, Waiting][],
): Promise<void> {
  try {
    const images = waiting.map(([image]) => image);
    const { size, count, pixels } = await compute.project.tiles({
      task,
      images,
      ...(corruption === undefined ? {} : { corruption }),
    });
    const tiles = splitTiles(size, count, pixels);
    waiting.forEach(([, { resolve, reject }], index) => {
      const one = tiles[index];
      if (one === undefined) reject(new Error(`no tile ${index} of ${count}`));
      else resolve(one);
    });
  } catch (error) {
    for (const [image, { reject }] of waiting) {
      cache.delete(`${key}/${image}`);
      reject(error);
    }
  }
}

function flush(): void {
  scheduled = false;
  const asked = queue;
  queue = new Map();
  for (const [key, together] of asked) {
    const all = [...together.images];
    for (let at = 0; at < all.length; at += batchLimit) {
      void fetchBatch(key, together, all.slice(at, at + batchLimit));
    }
  }
}

/** One image of a task. Those asked for in the same turn travel together. */
export function tile(task: string, image: number, corruption?: TileCorruption): Promise<Tile> {
  const group = corruption === undefined ? task : `${task} ${JSON.stringify(corruption)}`;
  const key = `${group}/${image}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const wanted = new Promise<Tile>((resolve, reject) => {
    const asked = queue.get(group) ?? { task, corruption, images: new Map<number, Waiting>() };
    asked.images.set(image, { resolve, reject });
    queue.set(group, asked);
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
