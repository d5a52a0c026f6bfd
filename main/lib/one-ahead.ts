/** Preparing the next piece of work while the present one is done. */

/**
 * Items 0 to `count` − 1 in order, each begun as soon as the one before it is handed out. Nothing is begun
 * before the first is asked for; a failure is thrown when its item is asked for.
 */
export async function* oneAhead<Item>(
  count: number,
  make: (index: number) => Promise<Item>,
): AsyncGenerator<Item, void, undefined> {
  let next = count > 0 ? begin(make, 0) : undefined;
  for (let index = 0; next !== undefined; index++) {
    const item = await next;
    next = index + 1 < count ? begin(make, index + 1) : undefined;
    yield item;
  }
}

function begin<Item>(make: (index: number) => Promise<Item>, index: number): Promise<Item> {
  const item = make(index);
  // Whoever stops early never asks for it; its failure is nobody's then.
  item.catch(() => undefined);
  return item;
}
