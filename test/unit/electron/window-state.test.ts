import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { fitBounds, nextZoom, openWindowState } from '../../../electron/window-state.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const laptop = { x: 0, y: 0, width: 1920, height: 1040 };
const beside = { x: 1920, y: 0, width: 2560, height: 1400 };

describe('where the window opens', () => {
  test('the first time in the middle of the first display', () => {
    expect(fitBounds(null, [laptop, beside])).toEqual({ x: 260, y: 70, width: 1400, height: 900 });
  });

  test('where it was, on any display', () => {
    const saved = { x: 2100, y: 40, width: 1600, height: 1000 };
    expect(fitBounds(saved, [laptop, beside])).toEqual(saved);
  });

  test('in the middle of what is there when its display is gone', () => {
    const saved = { x: 2100, y: 40, width: 1600, height: 1000 };
    expect(fitBounds(saved, [laptop])).toEqual({ x: 160, y: 20, width: 1600, height: 1000 });
  });

  test('never where it cannot be taken hold of', () => {
    const sliver = { x: 1900, y: 1000, width: 1200, height: 800 };
    expect(fitBounds(sliver, [laptop])).toEqual({ x: 360, y: 120, width: 1200, height: 800 });
    expect(fitBounds({ x: 10, y: -300, width: 1200, height: 800 }, [laptop]).y).toBe(0);
  });

  test('no larger than the display, no smaller than the least', () => {
    const huge = { x: 0, y: 0, width: 9000, height: 9000 };
    expect(fitBounds(huge, [laptop])).toMatchObject({ width: 1920, height: 1040 });
    const tiny = { x: 0, y: 0, width: 300, height: 200 };
    expect(fitBounds(tiny, [laptop])).toMatchObject({ width: 1000, height: 640 });
    const small = { x: 0, y: 0, width: 800, height: 600 };
    expect(fitBounds(null, [small])).toEqual({ x: 0, y: 0, width: 1000, height: 640 });
  });
});

test('zoom goes in steps of a tenth, between 80 and 200 percent', () => {
  expect(nextZoom(1, 1)).toBe(1.1);
  expect(nextZoom(1.1, -1)).toBe(1);
  expect(nextZoom(0.8, -1)).toBe(0.8);
  expect(nextZoom(2, 1)).toBe(2);
});

describe('the kept state', () => {
  test('is found again', async () => {
    const file = path.join(await temporaryFolder(), 'window.json');
    const store = openWindowState(file);
    store.change({ zoom: 1.5 });
    store.change({ theme: 'dark', bounds: { x: 1, y: 2, width: 1200, height: 800 } });
    await store.saved();
    expect(openWindowState(file).state).toEqual({
      bounds: { x: 1, y: 2, width: 1200, height: 800 },
      maximized: false,
      zoom: 1.5,
      theme: 'dark',
    });
  });

  test.each([
    '',
    '{',
    'null',
    '{"zoom": 9}',
    '{"bounds":null,"maximized":false,"zoom":1,"theme":"pink"}',
  ])('damaged content %j counts as none', async (content) => {
    const file = path.join(await temporaryFolder(), 'window.json');
    writeFileSync(file, content);
    expect(openWindowState(file).state).toMatchObject({ bounds: null, zoom: 1, theme: 'system' });
    expect(readFileSync(file, 'utf8')).toBe(content);
  });

  test('a folder that cannot be written is no failure', async () => {
    const folder = await temporaryFolder();
    writeFileSync(path.join(folder, 'file'), '');
    const store = openWindowState(path.join(folder, 'file/window.json'));
    store.change({ zoom: 1.2 });
    await store.saved();
    expect(store.state.zoom).toBe(1.2);
  });
});
