/** Small images on their way from the compute process to a canvas. */
import { describe, expect, it } from 'vitest';
import { expandRgb, splitTiles } from '../../../renderer/lib/pixels.ts';

describe('tiles', () => {
  it('gets an opaque alpha', () => {
    expect([...expandRgb(Uint8Array.of(1, 2, 3, 4, 5, 6))]).toEqual([1, 2, 3, 255, 4, 5, 6, 255]);
  });

  it('are cut out of one string in order', () => {
    const rgb = Uint8Array.from({ length: 2 * 2 * 2 * 3 }, (_, index) => index);
    const tiles = splitTiles(2, 2, Buffer.from(rgb).toString('base64'));
    expect(tiles).toHaveLength(2);
    expect(tiles[0]?.pixels.slice(0, 4)).toEqual(Uint8ClampedArray.of(0, 1, 2, 255));
    expect(tiles[1]?.pixels.slice(0, 4)).toEqual(Uint8ClampedArray.of(12, 13, 14, 255));
    expect(tiles[1]?.pixels).toHaveLength(16);
  });
});
