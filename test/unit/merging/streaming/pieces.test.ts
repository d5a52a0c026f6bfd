import fc from 'fast-check';
import { expect, it } from 'vitest';
import { piecesOf, tilesOf, unitValues } from '../../../../main/merging/streaming/pieces.ts';

const shapes = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 2 });
const units = fc.constantFrom('value', 'row', 'tensor');

it('tiles cover every value once, in order, and cut no unit', () => {
  fc.assert(
    fc.property(shapes, units, fc.integer({ min: 1, max: 5000 }), (shape, unit, size) => {
      // Millions of tiles would say no more than a thousand.
      const count = shape.reduce((product, each) => product * each, 1);
      const tileValues = Math.max(size, Math.floor(count / 1000));
      const least = unitValues(unit, shape);
      let reached = 0;
      for (const piece of piecesOf(unit, shape)) {
        expect(piece.begin).toBe(reached);
        for (const tile of tilesOf(unit, shape, piece, tileValues)) {
          expect(tile.begin).toBe(reached);
          expect(tile.end).toBeGreaterThan(tile.begin);
          expect(tile.begin % least).toBe(0);
          expect(tile.end - tile.begin).toBeLessThanOrEqual(Math.max(tileValues, least, 2));
          reached = tile.end;
        }
        expect(reached).toBe(piece.end);
        expect(reached % least).toBe(0);
      }
      expect(reached).toBe(count);
    }),
  );
});

it('pieces of a large tensor are of one size, whatever the ceiling', () => {
  const pieces = piecesOf('row', [32_000, 2048]);
  expect(pieces).toHaveLength(16);
  expect(pieces[0]).toEqual({ begin: 0, end: 2048 * 2048 });
  expect(piecesOf('tensor', [32_000, 2048])).toHaveLength(1);
});
