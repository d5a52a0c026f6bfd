/** Routing weights in a terminal: a block for each layer, rows = source task, columns = expert. */
import {
  displayWidth,
  padEnd,
  padStart,
  paint,
  shorten,
  wrap,
  type ColourDepth,
  type Rgb,
  type Terminal,
} from './terminal.ts';

export interface RoutingHeatmap {
  /** What is shown, e.g. "Routing weights of WEMoE, mean over the test images". */
  readonly title: string;
  /** Where the inputs come from, by row. */
  readonly tasks: readonly string[];
  /** What each expert was fine-tuned on, by column. */
  readonly experts: readonly string[];
  /** λ [layer][task][expert]. */
  readonly lambda: readonly (readonly (readonly number[])[])[];
  /** Names of the layers; numbers from 0 when left out. */
  readonly layers?: readonly string[];
  /** Where the scale has its neutral colour: the weight every expert starts with. */
  readonly centre?: number;
}

const defaultCentre = 0.3;
/** Differences smaller than this are not blown up to full colour. */
const smallestReach = 0.1;
const blockGap = 2;
const shortestLabel = 8;

/** Below, at and above the centre; told apart with every common colour blindness. */
const below: Rgb = [33, 102, 172];
const neutral: Rgb = [247, 247, 247];
const above: Rgb = [230, 97, 1];
/** The same in steps, of xterm's colours: the nearest ones to a smooth scale would change their hue. */
const steps256: readonly Rgb[] = [
  [0, 95, 175],
  [95, 135, 215],
  [135, 175, 255],
  [175, 215, 255],
  [255, 255, 255],
  [255, 215, 175],
  [255, 175, 95],
  [255, 135, 0],
  [215, 95, 0],
];

/**
 * The heatmap, at most `terminal.width` wide where that is possible at all, without a final newline.
 * Each cell shows λ, and the largest of a row has a "*", so it reads without colour. One colour scale
 * serves all layers.
 */
export function renderHeatmap(map: RoutingHeatmap, terminal: Terminal): string {
  let grid = gridOf(map, 0);
  let layout = layOut(map, grid, terminal.width);
  const airy = gridOf(map, 1);
  const airyLayout = layOut(map, airy, terminal.width);
  // A space before every number where it costs no extra band and no name is cut for it.
  if (airyLayout.perBand === layout.perBand && airyLayout.labelWidth === layout.labelWidth) {
    [grid, layout] = [airy, airyLayout];
  }
  const bands: string[] = [];
  for (let first = 0; first < map.lambda.length; first += layout.perBand) {
    const last = Math.min(first + layout.perBand, map.lambda.length);
    bands.push(renderBand(map, grid, layout, range(first, last), terminal));
  }
  const title = wrap(map.title, terminal.width).map((line) =>
    paint(terminal.colour, { bold: true }, line),
  );
  return [title.join('\n'), ...bands, legend(map, grid, terminal).join('\n')].join('\n\n');
}

interface Grid {
  readonly centre: number;
  /** The distance from the centre that has full colour. */
  readonly reach: number;
  readonly lowest: number;
  readonly highest: number;
  /** Room for a number, without the mark. */
  readonly digits: number;
  readonly blockWidth: number;
}

function gridOf(map: RoutingHeatmap, space: number): Grid {
  const values = map.lambda.flat(2).filter(Number.isFinite);
  const centre = map.centre ?? defaultCentre;
  const lowest = values.reduce((a, b) => Math.min(a, b), Infinity);
  const highest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const longest = map.lambda.flat(2).reduce((most, value) => Math.max(most, cell(value).length), 3);
  const digits = longest + space;
  return {
    centre,
    reach: Math.max(smallestReach, highest - centre, centre - lowest),
    lowest,
    highest,
    digits,
    blockWidth: (digits + 1) * map.experts.length,
  };
}

interface Layout {
  readonly labels: readonly string[];
  readonly labelWidth: number;
  readonly perBand: number;
}

/** As many layers side by side as fit; row labels are cut where that lets one more in. */
function layOut(map: RoutingHeatmap, { blockWidth }: Grid, width: number): Layout {
  const numbers = map.tasks.length.toString().length;
  const full = map.tasks.map((task, row) => `${padStart(String(row + 1), numbers)} ${task}`);
  const longest = Math.max(...full.map(displayWidth), shortestLabel);
  const fitting = (label: number): number =>
    Math.max(1, Math.floor((width - label) / (blockWidth + blockGap)));
  const most = Math.min(fitting(shortestLabel), map.lambda.length);
  let labelWidth = longest;
  while (labelWidth > shortestLabel && fitting(labelWidth) < most) labelWidth -= 1;
  if (most === 1 && labelWidth + blockGap + blockWidth > width) {
    labelWidth = Math.max(shortestLabel, width - blockGap - blockWidth);
  }
  const bands = Math.ceil(map.lambda.length / most);
  return {
    labels: full.map((label) => padEnd(shorten(label, labelWidth), labelWidth)),
    labelWidth,
    // Six layers in two bands are 3 + 3, not 5 + 1.
    perBand: Math.ceil(map.lambda.length / bands),
  };
}

function renderBand(
  map: RoutingHeatmap,
  grid: Grid,
  { labels, labelWidth }: Layout,
  layers: readonly number[],
  { colour }: Terminal,
): string {
  const between = ' '.repeat(blockGap);
  const line = (label: string, blocks: readonly string[]): string =>
    [padEnd(label, labelWidth), ...blocks].join(between).trimEnd();
  const heading = layers.map((layer) => {
    const name = `layer ${map.layers?.[layer] ?? layer}`;
    return padEnd(shorten(name, grid.blockWidth), grid.blockWidth);
  });
  const numbers = map.experts.map((_, expert) => `${padStart(String(expert + 1), grid.digits)} `);
  const rows = map.tasks.map((_, task) =>
    line(
      labels[task] ?? '',
      layers.map((layer) => renderRow(map.lambda[layer]?.[task] ?? [], grid, colour)),
    ),
  );
  return [
    line('', heading),
    paint(
      colour,
      { dim: true },
      line(
        '',
        layers.map(() => numbers.join('')),
      ),
    ),
    ...rows,
  ].join('\n');
}

function renderRow(lambda: readonly number[], grid: Grid, depth: ColourDepth): string {
  const largest = lambda.reduce((a, b) => (b > a ? b : a), -Infinity);
  const first = lambda.indexOf(largest);
  return lambda
    .map((value, expert) => {
      const text = `${padStart(cell(value), grid.digits)}${expert === first ? '*' : ' '}`;
      if (!Number.isFinite(value)) return text;
      const background = colourOf((value - grid.centre) / grid.reach, depth);
      const style = { background, foreground: inkOn(background), bold: expert === first };
      return paint(depth, style, text);
    })
    .join('');
}

/** One decimal; "-.1" instead of "-0.1", as a column is dear. */
function cell(value: number): string {
  if (!Number.isFinite(value)) return '?';
  const text = value.toFixed(1);
  return text === '-0.0' ? '0.0' : text.replace('-0.', '-.');
}

/** `position` runs from −1 to 1, 0 is neutral. */
export function colourOf(position: number, depth: ColourDepth): Rgb {
  const share = Math.max(-1, Math.min(1, position));
  if (depth === '256') {
    const half = (steps256.length - 1) / 2;
    return steps256[Math.round(half + half * share)] ?? neutral;
  }
  const end = share < 0 ? below : above;
  return [0, 1, 2].map((channel) => {
    const from = neutral[channel] ?? 0;
    return Math.round(from + Math.abs(share) * ((end[channel] ?? 0) - from));
  }) as [number, number, number];
}

/** Black or white, whichever stands out more (relative luminance of WCAG 2). */
export function inkOn(background: Rgb): Rgb {
  const luminance = luminanceOf(background);
  const onBlack = (luminance + 0.05) / 0.05;
  const onWhite = 1.05 / (luminance + 0.05);
  return onBlack >= onWhite ? [0, 0, 0] : [255, 255, 255];
}

function luminanceOf(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function legend(map: RoutingHeatmap, grid: Grid, { colour, width }: Terminal): string[] {
  const { centre, reach } = grid;
  const lines: string[] = [];
  if (colour === '256' || colour === 'truecolour') {
    const steps = range(-6, 7).map((step) => colourOf(step / 6, colour));
    const bar = steps.map((background) => paint(colour, { background }, '  ')).join('');
    const [low, high] = [(centre - reach).toFixed(2), (centre + reach).toFixed(2)];
    lines.push(`λ  ${low} ${bar} ${high}   white: λ0 = ${centre}`);
  }
  const same =
    map.tasks.length === map.experts.length &&
    map.tasks.every((task, k) => task === map.experts[k]);
  const columns = same
    ? 'expert n was fine-tuned on task n'
    : map.experts.map((expert, k) => `${k + 1} ${expert}`).join(', ');
  const found = Number.isFinite(grid.lowest)
    ? `λ from ${grid.lowest.toFixed(2)} to ${grid.highest.toFixed(2)}, start ${centre}. `
    : '';
  const text = `${found}Rows: images of a task. Columns: ${columns}. *: the largest λ of the row.`;
  return [...lines, ...wrap(text, width)];
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index);
}
