import { expect, it } from 'vitest';
import { renderCurve, sparkline } from '../../../main/cli/sparkline.ts';

it('draws low to high', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 20)).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([7, 0], 20)).toBe('█▁');
  expect(sparkline([3, 3, 3], 20)).toBe('▅▅▅');
  expect(sparkline([], 20)).toBe('');
  expect(sparkline([NaN, 1, Infinity, 2], 20)).toBe('▁█');
});

it('averages neighbours where there are more values than columns', () => {
  expect(sparkline([8, 6, 4, 4, 1, 1], 3)).toBe('█▅▁');
  expect(
    sparkline(
      Array.from({ length: 1001 }, (_, index) => -index),
      10,
    ),
  ).toHaveLength(10);
});

it('says where a curve begins and ends', () => {
  expect(renderCurve('loss', [4, 3, 2, 1], 40)).toBe('loss 4.000 █▆▃▁ 1.000');
  expect(renderCurve('loss', [1e-5, 2e-5], 40)).toBe('loss 1.00e-5 ▁█ 2.00e-5');
  expect(renderCurve('loss', [], 40)).toBe('loss –');
  const long = Array.from({ length: 500 }, (_, index) => 500 - index);
  expect(renderCurve('loss', long, 40)).toHaveLength(40);
});
