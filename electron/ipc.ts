/** The one way a message channel of the preload script is opened: its sender and its content are checked. */
import { ipcMain, type BrowserWindow, type IpcMainEvent } from 'electron';
import type { z } from 'zod';
import { isOwn } from './security.ts';

/** Whether a message comes from the window's own page, not from a frame in it or another page. */
function isFromPage(event: IpcMainEvent, window: BrowserWindow | undefined): boolean {
  const frame = event.senderFrame;
  return (
    window !== undefined &&
    frame !== null &&
    frame === window.webContents.mainFrame &&
    isOwn(frame.url)
  );
}

/** Calls `handler` with what the page's preload script sends on `channel`; anything else is dropped. */
export function receive<Schema extends z.ZodType>(
  channel: string,
  schema: Schema,
  window: () => BrowserWindow | undefined,
  handler: (content: z.output<Schema>) => void,
): void {
  ipcMain.on(channel, (event, content: unknown) => {
    if (!isFromPage(event, window())) return;
    const parsed = schema.safeParse(content);
    if (parsed.success) handler(parsed.data);
  });
}
