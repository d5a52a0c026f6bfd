import { describe, expect, it } from 'vitest';
import { colourOf, inkOn, renderHeatmap } from '../../../main/cli/heatmap.ts';
import {
  displayWidth,
  nearest256,
  withoutStyle,
  type Terminal,
} from '../../../main/cli/terminal.ts';
import { plain } from './fixture.ts';

const tasks = ['mnist', 'streetdigits', 'kana'];
const lambda = [
  [
    [0.9, 0.1, -0.04],
    [0.2, 0.34, 0.26],
    [-0.12, 0.3, 0.45],
  ],
  [
    [0.3, 0.3, 0.3],
    [-1.2, 1.3, 0],
    [0.1, 0.2, 0.5],
  ],
];
const map = { title: 'Routing weights', tasks, experts: tasks, lambda };

describe('renderHeatmap', () => {
  it('sets layers side by side where there is room', () => {
    expect(renderHeatmap(map, plain(90))).toBe(
      `
Routing weights

                layer 0             layer 1
                    1     2     3       1     2     3
1 mnist           0.9*  0.1   0.0     0.3*  0.3   0.3
2 streetdigits    0.2   0.3*  0.3    -1.2   1.3*  0.0
3 kana            -.1   0.3   0.5*    0.1   0.2   0.5*

λ from -1.20 to 1.30, start 0.3. Rows: images of a task. Columns: expert n was fine-tuned
on task n. *: the largest λ of the row.`.slice(1),
    );
  });

  it('closes up and cuts names to keep layers side by side', () => {
    expect(renderHeatmap(map, plain(44))).toBe(
      `
Routing weights

            layer 0          layer 1
               1    2    3      1    2    3
1 mnist      0.9* 0.1  0.0    0.3* 0.3  0.3
2 streetd…   0.2  0.3* 0.3   -1.2  1.3* 0.0
3 kana       -.1  0.3  0.5*   0.1  0.2  0.5*

λ from -1.20 to 1.30, start 0.3. Rows:
images of a task. Columns: expert n was
fine-tuned on task n. *: the largest λ of
the row.`.slice(1),
    );
  });

  it('sets layers below each other where there is not', () => {
    const lines = renderHeatmap(map, plain(32)).split('\n');
    expect(lines.filter((line) => line.includes('layer'))).toHaveLength(2);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(32);
  });

  it('divides layers evenly', () => {
    const six = { ...map, lambda: [...lambda, ...lambda, ...lambda] };
    const headings = renderHeatmap(six, plain(95))
      .split('\n')
      .filter((line) => line.includes('layer'))
      .map((line) => line.trim().split(/ {2,}/));
    expect(headings).toEqual([
      ['layer 0', 'layer 1', 'layer 2'],
      ['layer 3', 'layer 4', 'layer 5'],
    ]);
  });

  it('names experts that are not the tasks of the rows', () => {
    const text = renderHeatmap({ ...map, tasks: ['unseen', 'b', 'c'] }, plain(200));
    expect(text).toContain('Columns: 1 mnist, 2 streetdigits, 3 kana.');
  });

  it('survives weights that are no numbers, and no layers', () => {
    const text = renderHeatmap({ ...map, lambda: [[[NaN, 1, 2]]], tasks: ['mnist'] }, plain(80));
    expect(text).toMatch(/1 mnist +\? +1\.0 +2\.0\*/);
    expect(renderHeatmap({ ...map, lambda: [] }, plain(80))).toContain('Rows: images of a task');
  });

  it.each(['basic', '256', 'truecolour'] as const)('reads the same with %s colours', (colour) => {
    const terminal: Terminal = { isTTY: true, colour, width: 90 };
    const lines = withoutStyle(renderHeatmap(map, terminal)).split('\n');
    const wanted = renderHeatmap(map, plain(90)).split('\n');
    expect(lines.filter((line) => !line.startsWith('λ  ')).map((line) => line.trimEnd())).toEqual(
      wanted.map((line) => line.trimEnd()),
    );
    expect(lines.some((line) => line.startsWith('λ  -1.20'))).toBe(colour !== 'basic');
  });

  it('colours a cell by its distance from the centre, on the scale of all layers', () => {
    const text = renderHeatmap(map, { isTTY: true, colour: 'truecolour', width: 90 });
    // 0.3 is neutral; −1.2 is farthest of all, so it has the full colour of its side.
    expect(text).toContain('\x1b[38;2;0;0;0;48;2;247;247;247m  0.3 \x1b[0m');
    expect(text).toContain('\x1b[38;2;255;255;255;48;2;33;102;172m -1.2 \x1b[0m');
    expect(text).toMatch(/\x1b\[1;38;2;0;0;0;48;2;\d+;\d+;\d+m {2}1\.3\*\x1b\[0m/);
  });

  it.each([80, 120, 200])('never wraps eight tasks and six layers at %i columns', (width) => {
    const eight = Array.from({ length: 8 }, (_, index) => `task-number-${index}`);
    const rows = eight.map((_, row) => eight.map((__, column) => (row === column ? 0.9 : -0.2)));
    const text = renderHeatmap(
      {
        title: 'Routing weights',
        tasks: eight,
        experts: eight,
        lambda: Array(6).fill(rows) as number[][][],
      },
      plain(width),
    );
    for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(width);
  });
});

describe('the colours', () => {
  const positions = Array.from({ length: 41 }, (_, index) => index / 20 - 1);

  it('leave every number readable (4.5 to 1)', () => {
    const luminance = (rgb: readonly number[]): number =>
      [0.2126, 0.7152, 0.0722].reduce((sum, weight, channel) => {
        const share = (rgb[channel] ?? 0) / 255;
        return sum + weight * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
      }, 0);
    for (const depth of ['256', 'truecolour'] as const) {
      for (const position of positions) {
        const background = colourOf(position, depth);
        const [dark, light] = [luminance(background), luminance(inkOn(background))].sort(
          (a, b) => a - b,
        );
        expect(((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05)).toBeGreaterThan(4.5);
      }
    }
  });

  it('are exact entries of the palette where there are 256', () => {
    const codes = new Set(positions.map((position) => nearest256(colourOf(position, '256'))));
    expect([...codes]).toEqual([25, 68, 111, 153, 231, 223, 215, 208, 166]);
  });

  it('end at the ends of the scale', () => {
    expect(colourOf(7, 'truecolour')).toEqual(colourOf(1, 'truecolour'));
    expect(colourOf(-7, '256')).toEqual(colourOf(-1, '256'));
  });
});
