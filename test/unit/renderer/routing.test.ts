import { describe, expect, it } from 'vitest';
import type { Routing } from '../../../main/api/routing.ts';
import {
  chooseMethod,
  chooseRun,
  choicesOf,
  pairTitles,
  runTitles,
} from '../../../renderer/views/routing/choices.ts';
import { commonAxes, leftOut, subtract } from '../../../renderer/views/routing/difference.ts';
import {
  comparisonOf,
  findingOf,
  layerList,
  ownShares,
  readingHelp,
} from '../../../renderer/views/routing/finding.ts';
import {
  frameDetail,
  framesOf,
  frameTitle,
  momentAt,
  playback,
  testFrame,
  type Source,
} from '../../../renderer/views/routing/frames.ts';
import { movedBy } from '../../../renderer/views/routing/grid-keys.ts';
import { panelsAt } from '../../../renderer/views/routing/panels.ts';
import { differenceScale, lambdaScale, ticks } from '../../../renderer/views/routing/scale.ts';
import { paintCells } from '../../../renderer/views/routing/scale-colours.ts';
import { cellName, cellValue } from '../../../renderer/views/routing/words.ts';
import { css, diverging } from '../../../renderer/lib/colours.ts';
import type { RunCard } from '../../../main/api/runs.ts';
import { routingOf, sourceOf } from './routing-support.ts';

const same = (task: string): string => task;

describe('frames', () => {
  const source = sourceOf({ steps: [1, 5, 10] });

  it('goes over all steps to the test images', () => {
    const frames = framesOf([source]);
    expect(frames.map(frameTitle)).toEqual([
      'Before adaptation',
      'Step 5',
      'Step 10',
      'After adaptation',
    ]);
    expect(frameDetail(frames[1]!, source.routing)).toContain('one unlabelled batch');
    expect(frameDetail(testFrame, source.routing)).toBe('mean λ over all 30 test images');
  });

  it('merges the steps of two sources and shows the latest snapshot of each', () => {
    const other = sourceOf({ steps: [1, 7] });
    const frames = framesOf([source, other]);
    expect(frames.length).toBe(5);
    expect(frames.map((frame) => momentAt(other, frame).step)).toEqual([1, 1, 7, 7, 'test']);
    expect(frames.map((frame) => momentAt(source, frame).step)).toEqual([1, 5, 5, 10, 'test']);
  });

  it('shows the test images alone when a run kept no steps', () => {
    const bare = sourceOf({ steps: [] });
    expect(framesOf([bare])).toEqual([testFrame]);
    expect(momentAt(bare, { kind: 'batch', step: 3, first: false }).step).toBe('test');
  });

  it('plays every frame, or a few stills with reduced motion, and always ends at the end', () => {
    expect(playback(51, false).frames).toHaveLength(51);
    for (const count of [1, 2, 3, 51]) {
      const { frames } = playback(count, true);
      expect(frames.length).toBeLessThanOrEqual(5);
      expect(frames.at(-1)).toBe(count - 1);
      expect(new Set(frames).size).toBe(frames.length);
    }
  });
});

describe('scale', () => {
  it('is centred on λ₀ and reaches every value of every step', () => {
    const scale = lambdaScale([sourceOf({ steps: [1, 2] })]);
    expect(scale.centre).toBe(0.3);
    // The furthest value is 1.2 in the mean: 0.9 away.
    expect(scale.extent).toBeCloseTo(1);
    expect(ticks(scale).map((value) => Number(value.toFixed(6)))).toEqual([
      -0.7, -0.2, 0.3, 0.8, 1.3,
    ]);
  });

  it('does not jump to the next number because of rounding', () => {
    expect(differenceScale([[[[0.1 + 0.2 - 0.3 + 0.6]]]]).extent).toBeCloseTo(0.6);
    expect(differenceScale([]).extent).toBe(1);
  });

  it('paints the same colours as the legend, clamped at the ends', () => {
    const scale = { centre: 0.3, extent: 1 };
    const pixels = new Uint32Array(4);
    paintCells(
      pixels,
      [
        [0.3, 1.3],
        [99, -99],
      ],
      scale,
      false,
    );
    const bytes = new Uint8Array(pixels.buffer);
    const colour = (at: number): string =>
      css([bytes[4 * at]!, bytes[4 * at + 1]!, bytes[4 * at + 2]!]);
    expect(colour(1)).toBe(css(diverging(1.3, scale, false)));
    expect(colour(2)).toBe(css(diverging(1.3, scale, false)));
    expect(colour(3)).toBe(css(diverging(-0.7, scale, false)));
    // Of an even number of colours, none is exactly the middle; the nearest one is less than a shade away.
    const middle = diverging(0.3, scale, false);
    for (const channel of [0, 1, 2]) {
      expect(Math.abs(bytes[channel]! - middle[channel]!)).toBeLessThanOrEqual(1);
    }
    expect(bytes[3]).toBe(255);
  });
});

describe('finding', () => {
  it('names layers as people do', () => {
    expect(layerList([3], 6)).toBe('layer 3');
    expect(layerList([0, 2, 3], 6)).toBe('layers 0, 2 and 3');
    expect(layerList([3, 4, 5], 6)).toBe('layers 3–5');
    expect(layerList([0, 2, 3, 4], 6)).toBe('layers 0 and 2–4');
    expect(layerList([0, 1], 2)).toBe('all 2 layers');
  });

  it('says which layers route, which do not, and who borrows from whom', () => {
    const routing = routingOf();
    const { kind, headline, details } = findingOf(routing, same);
    expect(kind).toBe('routed');
    expect(headline).toBe('Layer 1 sends 90 % of the images first to their own task’s expert.');
    expect(details[0]).toContain('layer 0 with 30 %');
    expect(details[1]).toBe('Images of b get most of the a expert in layer 0.');
    expect(ownShares(routing)).toEqual([expect.closeTo(0.3), expect.closeTo(0.9)]);
  });

  it('does not praise layers that do not route', () => {
    const routing = {
      ...routingOf(),
      firstChoice: [
        [0.5, 0.1, 0.2],
        [0.6, 0.5, 0.4],
      ],
    };
    const { kind, headline } = findingOf(routing, same);
    expect(kind).toBe('undecided');
    expect(headline).toContain('layer 1 comes closest with 50 %');
  });

  it('recognises weights that do not depend on the input', () => {
    const row = [0.1, 0.7, 0.2];
    const routing: Routing = {
      ...routingOf(),
      mean: [
        [row, row, row],
        [row, row, row],
      ],
    };
    const { kind, headline, details } = findingOf(routing, same);
    expect(kind).toBe('constant');
    expect(headline).toContain('same mix');
    expect(details[1]).toContain('b in layer 0 (λ 0.70)');
    expect(readingHelp(kind, 0.3, undefined)).toContain('treats all tasks alike');
  });

  it('compares two models', () => {
    const a = { title: 'A', routing: routingOf() };
    const b = {
      title: 'B',
      routing: {
        ...routingOf(),
        firstChoice: [
          [1, 1, 1],
          [1, 1, 1],
        ],
      },
    };
    expect(comparisonOf(a, b).headline).toBe(
      'B is the more selective: 100 % of the images go first to their own task’s expert, against 60 %.',
    );
    expect(comparisonOf(a, a).headline).toContain('Both send 60 %');
    expect(readingHelp('routed', 0.3, { a: 'A', b: 'B' })).toContain(
      'A uses the expert more than B',
    );
  });
});

describe('comparison', () => {
  const a = sourceOf({ steps: [1] });
  const fewer: Source = {
    ...a,
    method: 'other',
    title: 'Other',
    routing: {
      ...a.routing,
      tasks: ['c', 'a'],
      experts: ['c', 'a'],
      layers: 1,
      mean: [
        [
          [0.5, 0.1],
          [0.2, 0.4],
        ],
      ],
    },
  };

  it('subtracts what both have, wherever it stands', () => {
    expect(commonAxes(a.routing, fewer.routing)).toEqual({
      tasks: ['a', 'c'],
      experts: ['a', 'c'],
      layers: 1,
    });
    const difference = subtract(
      { lambda: a.routing.mean, routing: a.routing },
      { lambda: fewer.routing.mean, routing: fewer.routing },
    );
    // a's images, a's expert: 0.6 − 0.4; c's images, a's expert: 0.3 − 0.1
    expect(difference[0]?.[0]?.[0]).toBeCloseTo(0.2);
    expect(difference[0]?.[1]?.[0]).toBeCloseTo(0.2);
    expect(difference).toHaveLength(1);
    expect(leftOut(a.routing, fewer.routing)).toBe(
      'Left out: tasks that only one of them has (b); layers from 1 on.',
    );
    expect(leftOut(a.routing, a.routing)).toBeUndefined();
  });

  it('draws one panel, two, or the difference', () => {
    expect(panelsAt(a, undefined, 'difference', testFrame)).toHaveLength(1);
    expect(panelsAt(a, fewer, 'beside', testFrame).map(({ title }) => title)).toEqual([
      'Method',
      'Other',
    ]);
    const [panel] = panelsAt(a, fewer, 'difference', testFrame);
    expect(panel?.describe({ task: 'a', expert: 'a' }, 0)).toBe(
      'difference +0.20 (Method 0.60, Other 0.40)',
    );
    const [before] = panelsAt(a, undefined, 'beside', { kind: 'batch', step: 1, first: true });
    expect(before?.shares).toBeNull();
  });
});

describe('words', () => {
  const { routing } = sourceOf({ steps: [1] });
  const test = { lambda: routing.mean, deviation: routing.deviation, step: 'test' as const };

  it('says what a cell holds', () => {
    expect(cellName({ task: 'a', expert: 'c' }, same)).toBe('a images, c expert');
    expect(cellValue({ task: 'a', expert: 'a' }, 1, { routing, moment: test })).toBe(
      'λ 1.20 ± 0.10 (+0.90 from λ₀); 90 % of these images have their largest λ here',
    );
    expect(cellValue({ task: 'a', expert: 'b' }, 1, { routing, moment: test })).toBe(
      'λ −0.10 ± 0.10 (−0.40 from λ₀)',
    );
    expect(cellValue({ task: 'x', expert: 'b' }, 1, { routing, moment: test })).toBe('no value');
  });
});

describe('keys', () => {
  const size = { rows: 3, columns: 4 };
  it('moves a cell and stops at the edges', () => {
    expect(movedBy('ArrowRight', false, { row: 0, column: 0 }, size)).toEqual({
      row: 0,
      column: 1,
    });
    expect(movedBy('ArrowUp', false, { row: 0, column: 2 }, size)).toEqual({ row: 0, column: 2 });
    expect(movedBy('End', false, { row: 1, column: 0 }, size)).toEqual({ row: 1, column: 3 });
    expect(movedBy('End', true, { row: 1, column: 0 }, size)).toEqual({ row: 2, column: 3 });
    expect(movedBy('Home', true, { row: 1, column: 2 }, size)).toEqual({ row: 0, column: 0 });
    expect(movedBy('a', false, { row: 0, column: 0 }, size)).toBeUndefined();
    expect(movedBy('toString', false, { row: 0, column: 0 }, size)).toBeUndefined();
  });
});

describe('choices', () => {
  const card = (id: string, best: string | null): RunCard => ({
    id,
    title: 'demo',
    status: 'done',
    message: null,
    createdAt: '',
    changedAt: '',
    starred: false,
    note: '',
    tasks: [],
    methods: [],
    best: best === null ? null : { method: best, average: 0.5, normalizedAverage: null },
    bytes: 0,
  });
  const methods = [
    { method: 'wemoe_1', title: 'WEMoE' },
    { method: 'wemoe_2', title: 'WEMoE' },
  ];
  const choices = choicesOf('r2', 'demo (r2)', methods);

  it('tells runs and methods of one name apart', () => {
    expect([...runTitles([card('r1', null), card('r2', null)]).values()]).toEqual([
      'demo (r1)',
      'demo (r2)',
    ]);
    expect(choices.map(({ title }) => title)).toEqual(['WEMoE (wemoe_1)', 'WEMoE (wemoe_2)']);
    expect(pairTitles(choices[0]!, choices[1]!)).toEqual(['WEMoE (wemoe_1)', 'WEMoE (wemoe_2)']);
    const elsewhere = { ...choices[0]!, run: 'r1', runTitle: 'demo (r1)' };
    expect(pairTitles(choices[0]!, elsewhere)).toEqual(['demo (r2)', 'demo (r1)']);
    expect(pairTitles(choices[1]!, elsewhere)[0]).toBe('WEMoE (wemoe_2) · demo (r2)');
  });

  it('opens with what was asked for, else with what there is to see', () => {
    const finished = [card('r1', null), card('r2', 'wemoe_1')];
    const known = new Map([
      ['r1', []],
      ['r2', choices],
    ]);
    expect(chooseRun(finished, known, undefined)?.id).toBe('r2');
    expect(chooseRun(finished, known, 'r1')?.id).toBe('r1');
    expect(chooseRun(finished, known, 'gone')?.id).toBe('r2');
    expect(chooseMethod(choices, finished[1], undefined)?.method).toBe('wemoe_1');
    expect(chooseMethod(choices, finished[1], 'wemoe_2')?.method).toBe('wemoe_2');
    expect(chooseMethod(choices, finished[0], undefined)?.method).toBe('wemoe_2');
    expect(chooseMethod([], undefined, undefined)).toBeUndefined();
  });
});
