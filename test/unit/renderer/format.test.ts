/** Numbers and times as the window shows them. */
import { describe, expect, it } from 'vitest';
import {
  bytes,
  counted,
  decimal,
  duration,
  moment,
  parameters,
  percent,
  points,
  rate,
  short,
  whole,
} from '../../../renderer/lib/format.ts';

describe('format', () => {
  it('writes shares with one decimal, and a dash for what is not known', () => {
    expect(percent(0.91349)).toBe('91.3 %');
    expect(percent(1)).toBe('100.0 %');
    expect(percent(null)).toBe('–');
    expect(percent(Number.NaN)).toBe('–');
  });

  it('writes a real minus and never a negative zero', () => {
    expect(decimal(-1.25, 1)).toBe('−1.3');
    expect(decimal(-0.001)).toBe('0.00');
    expect(points(0.012)).toBe('+1.2');
    expect(points(-0.012)).toBe('−1.2');
    expect(points(0.0001)).toBe('0.0');
  });

  it('keeps whole numbers apart in groups of three', () => {
    expect(whole(999)).toBe('999');
    expect(whole(1_234_567)).toBe('1\u202f234\u202f567');
    expect(whole(-2500)).toBe('−2\u202f500');
  });

  it.each([
    [0, '0\u00a0B'],
    [999, '999\u00a0B'],
    [1500, '1.5\u00a0kB'],
    [999_700, '1.0\u00a0MB'],
    [2_400_000, '2.4\u00a0MB'],
    [150_000_000, '150\u00a0MB'],
    [1.4e9, '1.4\u00a0GB'],
  ])('%d bytes are %s', (value, text) => expect(bytes(value)).toBe(text));

  it.each([
    [12, '12'],
    [104_800, '105\u00a0k'],
    [999_600, '1.0\u00a0M'],
    [1_230_000, '1.2\u00a0M'],
    [87_500_000, '87.5\u00a0M'],
    [1.2e9, '1.2\u00a0B'],
  ])('%d parameters are %s', (value, text) => expect(parameters(value)).toBe(text));

  it.each([
    [0.4, 'under 1 s'],
    [42.4, '42 s'],
    [59.6, '1 min 00 s'],
    [185, '3 min 05 s'],
    [7800, '2 h 10 min'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%d seconds are %s', (value, text) => expect(duration(value)).toBe(text));

  it('counts what is slow by the minute', () => {
    expect(rate(12.3)).toBe('12 / s');
    expect(rate(3.42)).toBe('3.4 / s');
    expect(rate(0.2)).toBe('12 / min');
    expect(rate(0.05)).toBe('3.0 / min');
  });

  it('keeps three digits of any number', () => {
    expect(short(0)).toBe('0');
    expect(short(0.0001)).toBe('1e-4'.replace('-', '-'));
    expect(short(0.01)).toBe('0.01');
    expect(short(1234.5)).toBe('1230');
    expect(short(-0.3)).toBe('−0.3');
    expect(short(2_147_483_647)).toBe('2.15e9');
  });

  it('says how long ago something was', () => {
    const now = new Date('2026-01-02T12:00:00Z');
    expect(moment('2026-01-02T11:59:30Z', now)).toBe('just now');
    expect(moment('2026-01-02T11:10:00Z', now)).toBe('50 min ago');
    expect(moment('2026-01-02T02:00:00Z', now)).toBe('10 h ago');
    expect(moment('2025-12-24T02:00:00Z', now)).toContain('2025');
    expect(moment('nonsense', now)).toBe('nonsense');
  });

  it('agrees in number', () => {
    expect(counted(1, 'image')).toBe('1 image');
    expect(counted(2, 'class', 'classes')).toBe('2 classes');
  });
});
