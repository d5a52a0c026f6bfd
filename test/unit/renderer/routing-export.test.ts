import { createCanvas } from '@napi-rs/canvas';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { shellContract } from '../../../main/api/shell.ts';
import { css, diverging } from '../../../renderer/lib/colours.ts';
import { fileName, toBase64 } from '../../../renderer/lib/bytes.ts';
import { csvOf, figureOf, nameOf, type Shown } from '../../../renderer/views/routing/export.ts';
import type { Figure, Rectangle, Text } from '../../../renderer/views/routing/figure.ts';
import { framesOf, testFrame, type Frame } from '../../../renderer/views/routing/frames.ts';
import { paintFigure } from '../../../renderer/views/routing/paint.ts';
import { panelsAt, type Mode } from '../../../renderer/views/routing/panels.ts';
import { lambdaScale } from '../../../renderer/views/routing/scale.ts';
import { toSvg } from '../../../renderer/views/routing/svg.ts';
import { sourceOf } from './routing-support.ts';

const source = sourceOf({ steps: [1, 5] });
const other = { ...source, method: 'other', title: 'Other' };

function shownOf(frame: Frame, mode?: Mode): Shown {
  const b = mode === undefined ? undefined : other;
  return {
    panels: panelsAt(source, b, mode ?? 'beside', frame),
    sources: b === undefined ? [source] : [source, b],
    frame,
    scale: lambdaScale([source]),
    difference: mode === 'difference',
    taskTitle: (task) => `Task <${task}>`,
  };
}

const texts = (figure: Figure): string[] =>
  figure.shapes.flatMap((shape) => (shape.kind === 'text' ? [shape.text] : []));

/** The cell with the value 1.20: layer 1, a's images, a's expert. */
function cellOf(figure: Figure): Rectangle {
  const colour = css(diverging(1.2, lambdaScale([source]), false));
  const cell = figure.shapes.find(
    (shape): shape is Rectangle => shape.kind === 'rectangle' && shape.fill === colour,
  );
  expect(cell).toBeDefined();
  return cell!;
}

const expectedColour = diverging(1.2, lambdaScale([source]), false);

describe('figure', () => {
  const figure = figureOf(shownOf(testFrame));

  it('has title, axes, all layers with their values, and a legend with λ₀', () => {
    const words = texts(figure);
    for (const text of [
      'Routing weights of WEMoE',
      'Layer 0',
      'Layer 1',
      'source task of the images',
      'expert',
      'λ₀ = 0.30',
      'mean λ',
      '1.20',
      '−0.10',
      'Task <a>',
    ]) {
      expect(words).toContain(text);
    }
  });

  it('lies within its size, also with 24 layers of 20 tasks with long names', () => {
    const tasks = Array.from({ length: 20 }, (_, index) => `task-with-a-very-long-name-${index}`);
    const mean = Array.from({ length: 24 }, () => tasks.map(() => tasks.map(() => 0.4)));
    const routing = { ...source.routing, tasks, experts: tasks, layers: 24, mean };
    const large = { ...source, routing, snapshots: { steps: [], mean: [] } };
    const shown: Shown = {
      ...shownOf(testFrame),
      panels: panelsAt(large, undefined, 'beside', testFrame),
      sources: [large],
    };
    for (const { width, height, shapes } of [figure, figureOf(shown)]) {
      const outside = shapes.filter(({ x, y }) => x < 0 || y < 0 || x > width || y > height);
      expect(outside).toEqual([]);
    }
    const drawn = texts(figureOf(shown));
    expect(drawn.filter((text) => text.startsWith('Layer'))).toHaveLength(24);
    expect(Math.max(...drawn.slice(2).map((text) => text.length))).toBeLessThanOrEqual(25);
  });

  it('names both models of a comparison, and says when it shows a difference', () => {
    expect(texts(figureOf(shownOf(testFrame, 'beside')))).toEqual(
      expect.arrayContaining(['Method', 'Other']),
    );
    expect(texts(figureOf(shownOf(testFrame, 'difference')))).toEqual(
      expect.arrayContaining(['Difference of routing weights: Method − Other', 'equal = 0.30']),
    );
  });
});

describe('SVG', () => {
  it('is a file of its own that a renderer understands and draws in the right colours', async () => {
    const figure = figureOf(shownOf(testFrame));
    const svg = toSvg(figure);
    expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
    expect(svg).not.toMatch(/href|style|script|rgb\(/);
    expect(svg).toContain('Task &lt;a&gt;');
    expect(svg).toContain('A &lt;run&gt; &amp; &quot;more&quot;');
    const { data, info } = await sharp(Buffer.from(svg))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([figure.width, figure.height]);
    const { x, y } = cellOf(figure);
    const at = (Math.round(y + 4) * info.width + Math.round(x + 4)) * info.channels;
    expect([...data.subarray(at, at + 3)]).toEqual([...expectedColour]);
  });

  it('leaves out what XML cannot hold', () => {
    const shape: Text = {
      kind: 'text',
      x: 0,
      y: 0,
      text: 'a\u0000b\u001fc\ud800d',
      size: 11,
      fill: '#000000',
      anchor: 'start',
      bold: false,
      turn: 0,
    };
    const svg = toSvg({ width: 1, height: 1, title: 'a\u0007', description: '', shapes: [shape] });
    expect(svg).toContain('>abcd</text>');
    expect(svg).toContain('<title>a</title>');
  });
});

describe('PNG', () => {
  it('is the same picture', () => {
    const figure = figureOf(shownOf(testFrame));
    const canvas = createCanvas(figure.width * 2, figure.height * 2);
    const context = canvas.getContext('2d');
    paintFigure(context, figure, 2);
    const { x, y } = cellOf(figure);
    const pixel = context.getImageData(Math.round(2 * x + 8), Math.round(2 * y + 8), 1, 1).data;
    expect([...pixel.subarray(0, 3)]).toEqual([...expectedColour]);
    expect([...context.getImageData(1, 1, 1, 1).data]).toEqual([255, 255, 255, 255]);
  });
});

describe('CSV', () => {
  it('has one line for each λ, exact, with its deviation on the test images', () => {
    const lines = csvOf(shownOf(testFrame)).trimEnd().split('\n');
    expect(lines[0]).toBe('run,method,step,layer,source_task,expert,lambda_mean,lambda_std');
    expect(lines).toHaveLength(1 + 2 * 3 * 3);
    expect(lines).toContain('run-0001,wemoe,test,1,a,b,-0.1,0.1');
  });

  it('names the step of a snapshot, which has no deviation, and holds both sides of a comparison', () => {
    const [, step] = framesOf([source]);
    expect(csvOf(shownOf(step!)).split('\n')).toContain('run-0001,wemoe,5,1,a,b,0.3,');
    const lines = csvOf(shownOf(testFrame, 'difference')).trimEnd().split('\n');
    expect(lines).toHaveLength(1 + 2 * 2 * 3 * 3);
    expect(lines.filter((line) => line.startsWith('run-0001,other,'))).toHaveLength(18);
  });
});

describe('files', () => {
  it('has names and bytes that the shell takes', () => {
    const schema = shellContract.saveFile['~orpc'].inputSchema;
    for (const name of [
      fileName(nameOf(shownOf(testFrame, 'difference')), 'svg'),
      fileName(['../../Ünï<c>ode', 'x'.repeat(300)], 'png'),
      fileName(['…'], 'csv'),
    ]) {
      expect(schema?.safeParse({ suggestedName: name, kind: 'svg', bytes: '' }).success).toBe(true);
    }
    expect(fileName(['…'], 'csv')).toBe('mergewright.csv');
    expect(nameOf(shownOf(framesOf([source])[1]!))).toEqual([
      'routing',
      'run-0001 wemoe',
      'step 5',
    ]);
  });

  it('writes base64 of any length', () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
    expect(Buffer.from(toBase64(bytes), 'base64').equals(bytes)).toBe(true);
    expect(toBase64(new Uint8Array(0))).toBe('');
  });
});
