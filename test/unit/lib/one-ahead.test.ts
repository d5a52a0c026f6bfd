import { describe, expect, it } from 'vitest';
import { oneAhead } from '../../../main/lib/one-ahead.ts';

describe('items made one ahead', () => {
  it('come in order, the next begun when one is handed out', async () => {
    const begun: number[] = [];
    const items = oneAhead(3, (index) => {
      begun.push(index);
      return Promise.resolve(10 * index);
    });
    expect(begun).toEqual([]);
    expect(await items.next()).toEqual({ done: false, value: 0 });
    expect(begun).toEqual([0, 1]);
    expect(await items.next()).toEqual({ done: false, value: 10 });
    expect(await items.next()).toEqual({ done: false, value: 20 });
    expect(begun).toEqual([0, 1, 2]);
    expect((await items.next()).done).toBe(true);
  });

  it('may be none', async () => {
    const items = oneAhead(0, () => Promise.reject(new Error('made')));
    expect((await items.next()).done).toBe(true);
  });

  it('fail when it is their turn', async () => {
    const items = oneAhead(2, (index) =>
      index === 0 ? Promise.resolve('first') : Promise.reject(new Error('second')),
    );
    expect((await items.next()).value).toBe('first');
    await expect(items.next()).rejects.toThrow('second');
  });

  it('are nobody’s failure when nobody asks', async () => {
    const items = oneAhead(2, (index) =>
      index === 0 ? Promise.resolve('first') : Promise.reject(new Error('second')),
    );
    await items.next();
    await items.return();
    // An unhandled rejection would end the test run here.
    await new Promise((resolve) => setImmediate(resolve));
    expect((await items.next()).done).toBe(true);
  });
});
