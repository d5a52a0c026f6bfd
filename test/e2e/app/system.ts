/** What the system does around the application: its dialogs and its file manager, answered here, and a mouse that drags files in. */
import type { OpenDialogOptions } from 'electron';
import type { ElectronApplication, Locator, Page } from 'playwright-core';

/** The next dialogs for saving are answered with this path, as if a person had chosen it. */
export async function answerSaveDialogs(app: ElectronApplication, file: string): Promise<void> {
  await app.evaluate(({ dialog }, filePath) => {
    dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
  }, file);
}

/**
 * The next dialogs for opening are answered with these paths, or cancelled with null. Returns how to ask what they were
 * opened with.
 */
export async function answerOpenDialogs(
  app: ElectronApplication,
  files: readonly string[] | null,
): Promise<() => Promise<OpenDialogOptions[]>> {
  await app.evaluate(
    ({ dialog }, filePaths) => {
      const asked: unknown[] = [];
      (globalThis as { askedDialogs?: unknown[] }).askedDialogs = asked;
      dialog.showOpenDialog = (...words: unknown[]) => {
        asked.push(words.at(-1));
        return Promise.resolve({ canceled: filePaths === null, filePaths: filePaths ?? [] });
      };
    },
    files as string[] | null,
  );
  return () =>
    app.evaluate(
      () => (globalThis as { askedDialogs?: unknown[] }).askedDialogs as OpenDialogOptions[],
    );
}

/** Keeps the file manager closed from now on; returns how to ask what it was to show. */
export async function catchRevealed(app: ElectronApplication): Promise<() => Promise<string[]>> {
  await app.evaluate(({ shell }) => {
    const revealed: string[] = [];
    (globalThis as { revealed?: string[] }).revealed = revealed;
    shell.showItemInFolder = (file) => void revealed.push(file);
  });
  return () => app.evaluate(() => (globalThis as { revealed?: string[] }).revealed ?? []);
}

/** A mouse that comes over the middle of the window with files from a file manager. */
export interface Drag {
  drop(): Promise<void>;
}

/**
 * Drags files over the window, over its middle or over the middle of a part of it; Chromium hears of them as from the
 * system, with real files behind.
 */
export async function dragOver(
  page: Page,
  files: readonly string[],
  part?: Locator,
): Promise<Drag> {
  const session = await page.context().newCDPSession(page);
  const box = await part?.boundingBox();
  const [x, y] = await page.evaluate(
    (at) =>
      at
        ? [at.x + at.width / 2, at.y + at.height / 2]
        : ([innerWidth / 2, innerHeight / 2] as const),
    box,
  );
  const data = { items: [], files: [...files], dragOperationsMask: 1 };
  const send = (type: 'dragEnter' | 'dragOver' | 'drop') =>
    session.send('Input.dispatchDragEvent', { type, x, y, data });
  await send('dragEnter');
  await send('dragOver');
  return {
    async drop() {
      await send('drop');
      await session.detach();
    },
  };
}
