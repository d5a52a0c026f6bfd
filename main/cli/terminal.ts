/** What the terminal at the other end can show, and text laid out and coloured for it. */
import { WriteStream } from 'node:tty';

export type ColourDepth = 'none' | 'basic' | '256' | 'truecolour';

export interface Terminal {
  readonly isTTY: boolean;
  readonly colour: ColourDepth;
  readonly width: number;
}

/** The part of a stream that says what it is connected to. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Files and pipes do not wrap, so they get room for the usual table. */
const widthWithoutTerminal = 120;

export function describeTerminal(stream: OutputStream, env: Environment): Terminal {
  const isTTY = stream.isTTY === true;
  return { isTTY, colour: colourDepth(isTTY, env), width: widthOf(stream, isTTY, env) };
}

function widthOf(stream: OutputStream, isTTY: boolean, env: Environment): number {
  // A terminal that does not know its size says 0.
  if (stream.columns !== undefined && stream.columns > 0) return stream.columns;
  const asked = Number(env['COLUMNS']);
  if (Number.isInteger(asked) && asked > 0) return asked;
  return isTTY ? 80 : widthWithoutTerminal;
}

/** FORCE_COLOR decides, then NO_COLOR (no-color.org), then what the terminal says of itself. */
function colourDepth(isTTY: boolean, env: Environment): ColourDepth {
  const forced = env['FORCE_COLOR'];
  if (forced === '0' || forced === 'false') return 'none';
  if (forced === '1') return 'basic';
  if (forced === '2') return '256';
  if (forced === '3') return 'truecolour';
  if (forced === undefined) {
    if ((env['NO_COLOR'] ?? '') !== '' || !isTTY || env['TERM'] === 'dumb') return 'none';
  }
  if (/^(truecolor|24bit)$/i.test(env['COLORTERM'] ?? '')) return 'truecolour';
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...rest } = env;
  // It does not look at the stream, only at the environment and the system.
  const bits = WriteStream.prototype.getColorDepth.call(undefined as never, rest);
  if (bits === 24) return 'truecolour';
  return bits === 8 ? '256' : bits === 4 || forced !== undefined ? 'basic' : 'none';
}

export type Rgb = readonly [red: number, green: number, blue: number];

export interface Style {
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly colour?: 'red' | 'green' | 'yellow' | 'cyan';
  /** Both need at least 256 colours, and are left out with fewer. */
  readonly foreground?: Rgb;
  readonly background?: Rgb;
}

const basicCodes = { red: '31', green: '32', yellow: '33', cyan: '36' } as const;

/** `text` in a style, or as it is where the terminal has no colours. */
export function paint(depth: ColourDepth, style: Style, text: string): string {
  if (depth === 'none' || text === '') return text;
  const codes: string[] = [];
  if (style.bold === true) codes.push('1');
  if (style.dim === true) codes.push('2');
  if (style.colour !== undefined) codes.push(basicCodes[style.colour]);
  if (style.foreground !== undefined) codes.push(...colourCode(depth, '38', style.foreground));
  if (style.background !== undefined) codes.push(...colourCode(depth, '48', style.background));
  return codes.length === 0 ? text : `\x1b[${codes.join(';')}m${text}\x1b[0m`;
}

function colourCode(depth: ColourDepth, plane: '38' | '48', rgb: Rgb): string[] {
  if (depth === 'truecolour') return [`${plane};2;${rgb.map(Math.round).join(';')}`];
  return depth === '256' ? [`${plane};5;${nearest256(rgb)}`] : [];
}

/** The levels of each channel in the colour cube of xterm. */
const cubeLevels = [0, 95, 135, 175, 215, 255] as const;

/** The entry of xterm's 256 colours nearest to `rgb`: of the cube, or of the ramp of greys. */
export function nearest256(rgb: Rgb): number {
  const steps = rgb.map((channel) => nearestIndex(cubeLevels, channel));
  const [red = 0, green = 0, blue = 0] = steps;
  const cube = steps.map((step) => cubeLevels[step] ?? 0);
  const mean = (rgb[0] + rgb[1] + rgb[2]) / 3;
  const greyStep = Math.max(0, Math.min(23, Math.round((mean - 8) / 10)));
  const grey = 8 + 10 * greyStep;
  const distance = (other: readonly number[]): number =>
    rgb.reduce((sum, channel, index) => sum + (channel - (other[index] ?? 0)) ** 2, 0);
  return distance([grey, grey, grey]) < distance(cube)
    ? 232 + greyStep
    : 16 + 36 * red + 6 * green + blue;
}

function nearestIndex(levels: readonly number[], value: number): number {
  let best = 0;
  for (const [index, level] of levels.entries()) {
    if (Math.abs(level - value) < Math.abs((levels[best] ?? 0) - value)) best = index;
  }
  return best;
}

const controlSequence = /\x1b\[[0-9;?]*[A-Za-z]/g;

/** `text` without colours and cursor movements. */
export function withoutStyle(text: string): string {
  return text.replace(controlSequence, '');
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Columns a terminal needs for `text`; East Asian letters and emoji take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(withoutStyle(text))) {
    width += wide.test(segment) ? 2 : 1;
  }
  return width;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - displayWidth(text))) + text;
}

/** Plain `text` cut to `width` columns, with "…" for what is left out. */
export function shorten(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    if (displayWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return width <= 0 ? '' : `${kept}…`;
}

/** Plain `text` in lines of at most `width` columns, broken between words. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && displayWidth(`${line} ${word}`) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
