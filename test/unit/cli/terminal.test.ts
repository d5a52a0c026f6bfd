import { describe, expect, it } from 'vitest';
import {
  describeTerminal,
  displayWidth,
  nearest256,
  padEnd,
  padStart,
  paint,
  shorten,
  withoutStyle,
  wrap,
} from '../../../main/cli/terminal.ts';

describe('describeTerminal', () => {
  const tty = { isTTY: true, columns: 100 };
  it.each([
    [tty, { TERM: 'xterm-256color' }, '256'],
    [tty, { TERM: 'xterm-256color', COLORTERM: 'truecolor' }, 'truecolour'],
    [tty, { TERM: 'xterm' }, 'basic'],
    [tty, { TERM: 'dumb', COLORTERM: 'truecolor' }, 'none'],
    [tty, { COLORTERM: 'truecolor', NO_COLOR: '1' }, 'none'],
    [tty, { COLORTERM: 'truecolor', NO_COLOR: '' }, 'truecolour'],
    [{}, { COLORTERM: 'truecolor' }, 'none'],
    [{}, { FORCE_COLOR: '1' }, 'basic'],
    [{}, { FORCE_COLOR: '2' }, '256'],
    [{}, { FORCE_COLOR: '3', NO_COLOR: '1' }, 'truecolour'],
    [{}, { FORCE_COLOR: 'true', COLORTERM: '24bit' }, 'truecolour'],
    [{}, { FORCE_COLOR: '' }, 'basic'],
    [tty, { FORCE_COLOR: '0', COLORTERM: 'truecolor' }, 'none'],
  ])('%j with %j has colours: %s', (stream, env, colour) => {
    expect(describeTerminal(stream, env).colour).toBe(colour);
  });

  it.each([
    [tty, {}, 100],
    [{ isTTY: true, columns: 0 }, {}, 80],
    [{ isTTY: true }, { COLUMNS: '132' }, 132],
    [{}, {}, 120],
    [{}, { COLUMNS: '60' }, 60],
    [{}, { COLUMNS: 'wide' }, 120],
  ])('%j with %j is %i wide', (stream, env, width) => {
    expect(describeTerminal(stream, env).width).toBe(width);
  });
});

describe('paint', () => {
  it('writes what the terminal has', () => {
    const style = { bold: true, foreground: [255, 255, 255], background: [0, 95, 175] } as const;
    expect(paint('none', style, 'x')).toBe('x');
    expect(paint('basic', style, 'x')).toBe('\x1b[1mx\x1b[0m');
    expect(paint('256', style, 'x')).toBe('\x1b[1;38;5;231;48;5;25mx\x1b[0m');
    expect(paint('truecolour', style, 'x')).toBe('\x1b[1;38;2;255;255;255;48;2;0;95;175mx\x1b[0m');
    expect(paint('basic', { colour: 'red', dim: true }, 'x')).toBe('\x1b[2;31mx\x1b[0m');
    expect(paint('basic', { background: [0, 0, 0] }, 'x')).toBe('x');
    expect(paint('truecolour', style, '')).toBe('');
  });

  it('finds the nearest of the 256 colours', () => {
    expect(nearest256([0, 0, 0])).toBe(16);
    expect(nearest256([255, 255, 255])).toBe(231);
    expect(nearest256([255, 135, 0])).toBe(208);
    expect(nearest256([238, 238, 238])).toBe(255);
    expect(nearest256([9, 8, 8])).toBe(232);
  });
});

describe('widths', () => {
  it('counts columns, not code units', () => {
    expect(displayWidth('mnist')).toBe(5);
    expect(displayWidth('\x1b[1mmnist\x1b[0m')).toBe(5);
    expect(displayWidth('かな')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('👩‍👩‍👧')).toBe(2);
    expect(withoutStyle('\r\x1b[2K\x1b[1;38;5;25mx\x1b[0m')).toBe('\rx');
  });

  it('pads and cuts by columns', () => {
    expect(padEnd('かな', 6)).toBe('かな  ');
    expect(padStart('かな', 6)).toBe('  かな');
    expect(shorten('fashion', 7)).toBe('fashion');
    expect(shorten('fashion', 6)).toBe('fashi…');
    expect(shorten('かなかな', 6)).toBe('かな…');
    expect(shorten('fashion', 0)).toBe('');
  });

  it('breaks lines between words', () => {
    expect(wrap('aa bb cc', 5)).toEqual(['aa bb', 'cc']);
    expect(wrap('aaaaaaa bb', 5)).toEqual(['aaaaaaa', 'bb']);
    expect(wrap('', 5)).toEqual(['']);
  });
});
