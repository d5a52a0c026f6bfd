import { EventEmitter } from 'node:events';
import type { BrowserWindow } from 'electron';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { receive } from '../../../electron/ipc.ts';

const { ipcMain } = vi.hoisted(() => {
  const listeners = new Map<string, (event: unknown, content: unknown) => void>();
  return {
    ipcMain: {
      listeners,
      on: (channel: string, listener: (event: unknown, content: unknown) => void) => {
        listeners.set(channel, listener);
      },
    },
  };
});
vi.mock('electron', () => ({ ipcMain, app: new EventEmitter(), protocol: {} }));

const page = { url: 'app://mergewright/index.html' };
const window = { webContents: { mainFrame: page } } as unknown as BrowserWindow;
const schema = z.strictObject({ paths: z.array(z.string()).min(1) });
const content = { paths: ['/a'] };

describe('a message is taken', () => {
  const handler = vi.fn();
  let open: BrowserWindow | undefined = window;
  const send = (frame: unknown, message: unknown): void => {
    ipcMain.listeners.get('dropped')?.({ senderFrame: frame }, message);
  };

  beforeEach(() => {
    handler.mockClear();
    open = window;
    receive('dropped', schema, () => open, handler);
  });

  test('from the page of the window', () => {
    send(page, content);
    expect(handler).toHaveBeenCalledExactlyOnceWith(content);
  });

  test.each([
    ['another frame of the same origin', { url: page.url }],
    ['no frame', null],
  ])('not from %s', (_name, frame) => {
    send(frame, content);
    expect(handler).not.toHaveBeenCalled();
  });

  test.each([
    'https://example.com/',
    'app://mergewright.example/',
    'app://mergewrighter/',
    'app://other/app://mergewright',
    'file:///index.html',
    'about:blank',
    '',
  ])('not while the page is at %j', (url) => {
    const elsewhere = { url };
    open = { webContents: { mainFrame: elsewhere } } as unknown as BrowserWindow;
    send(elsewhere, content);
    expect(handler).not.toHaveBeenCalled();
  });

  test('not without a window', () => {
    open = undefined;
    send(page, content);
    expect(handler).not.toHaveBeenCalled();
  });

  test.each([
    undefined,
    null,
    [],
    'paths',
    {},
    { paths: [] },
    { paths: [1] },
    { paths: ['/a'], more: true },
    { paths: { length: 1 } },
  ])('not with the content %j', (wrong) => {
    send(page, wrong);
    expect(handler).not.toHaveBeenCalled();
  });
});
