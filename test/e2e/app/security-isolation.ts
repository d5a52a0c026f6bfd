/** The security checklist: what page and main process have, and offer each other. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { BuiltApp } from '../../support/app.ts';
import type { Attacked } from './under-attack.ts';

/** The tests; `target` is there when they begin. */
export function isolation(target: () => Attacked): void {
  let attacked: Attacked;
  let running: BuiltApp;
  beforeAll(() => {
    attacked = target();
    ({ running } = attacked);
  });

  describe('the page', () => {
    test('has neither Node nor Electron', async () => {
      const found = await running.page.evaluate(() =>
        [
          'process',
          'require',
          'module',
          'global',
          'Buffer',
          'electron',
          'ipcRenderer',
          '__dirname',
        ].filter((name) => name in window),
      );
      expect(found).toEqual([]);
    });

    test('gets no name from the preload script', async () => {
      const names = 'Object.getOwnPropertyNames(window).sort()';
      const here = await running.page.evaluate<string[]>(names);
      const without = await running.app.evaluate(async ({ BrowserWindow }, code) => {
        const bare = new BrowserWindow({ show: false, webPreferences: { sandbox: true } });
        await bare.loadURL('app://mergewright/index.html');
        const found = (await bare.webContents.executeJavaScript(code)) as string[];
        bare.destroy();
        return found;
      }, names);
      // Playwright leaves names of its own.
      const own = here.filter((name) => !without.includes(name) && !name.includes('playwright'));
      expect(own).toEqual([]);
    });

    test('runs sandboxed, isolated, without any relaxation', async () => {
      const preferences = await running.app.evaluate(({ BrowserWindow }) => {
        const contents = BrowserWindow.getAllWindows()[0]?.webContents as unknown as {
          getLastWebPreferences(): Record<string, unknown>;
        };
        const {
          sandbox,
          contextIsolation,
          nodeIntegration,
          nodeIntegrationInWorker,
          nodeIntegrationInSubFrames,
          webSecurity,
          allowRunningInsecureContent,
          experimentalFeatures,
          enableBlinkFeatures,
          webviewTag,
          navigateOnDragDrop,
        } = contents.getLastWebPreferences();
        return {
          isolated: [sandbox, contextIsolation, webSecurity],
          relaxed: [
            nodeIntegration,
            nodeIntegrationInWorker,
            nodeIntegrationInSubFrames,
            allowRunningInsecureContent,
            experimentalFeatures,
            enableBlinkFeatures,
            webviewTag,
            navigateOnDragDrop,
          ].filter((value) => value !== undefined && value !== false && value !== ''),
        };
      });
      expect(preferences).toEqual({ isolated: [true, true, true], relaxed: [] });
    });

    test('is a secure context with an origin of its own', async () => {
      expect(await running.page.evaluate(() => [window.origin, isSecureContext])).toEqual([
        'app://mergewright',
        true,
      ]);
    });

    test('reads nothing that its page left over', async () => {
      expect(await running.page.evaluate(() => document.cookie)).toBe('');
    });
  });

  describe('the main process', () => {
    test('listens to one channel of the preload script and answers none', async () => {
      const channels = await running.app.evaluate(({ ipcMain }) => ({
        // Electron itself listens for errors.
        events: ipcMain
          .eventNames()
          .map(String)
          .filter((name) => name !== 'error'),
        calls: [
          ...(
            ipcMain as unknown as { _invokeHandlers: Map<string, unknown> }
          )._invokeHandlers.keys(),
        ],
      }));
      expect(channels).toEqual({ events: ['dropped'], calls: [] });
    });

    test('serves the window’s files and nothing else', async () => {
      const tricks = [
        '..%2f',
        '..%5c',
        '%2e%2e/',
        '..;/',
        '%252e%252e%252f',
        '....//',
        '/',
        '\\',
      ].flatMap((up) =>
        [1, 3, 6].flatMap((times) => [
          `${up.repeat(times)}package.json`,
          `${up.repeat(times)}etc/passwd`,
        ]),
      );
      const addresses = [
        ...tricks.map((trick) => `app://mergewright/${trick}`),
        'app://mergewright/index.html%00.png',
        'app://mergewright/main.cjs',
        'app://mergewright/host.mjs',
        'app://other/index.html',
      ];
      const statuses = await running.app.evaluate(async ({ session }, asked) => {
        const found: [string, number, boolean][] = [];
        for (const address of asked) {
          const response = await session.defaultSession
            .fetch(address)
            .catch(
              () =>
                new Response('', { status: 404, headers: { 'Content-Security-Policy': 'none' } }),
            );
          found.push([address, response.status, response.headers.has('Content-Security-Policy')]);
        }
        return found;
      }, addresses);
      expect(statuses.filter(([, status, policy]) => status !== 404 || !policy)).toEqual([]);
    });

    test('lets no request of any page out', async () => {
      const outcome = await running.app.evaluate(
        async ({ session }, asked) => {
          const outcomes: string[] = [];
          for (const address of asked) {
            outcomes.push(
              await session.defaultSession.fetch(address).then(
                () => 'answered',
                () => 'refused',
              ),
            );
          }
          return outcomes;
        },
        [attacked.outside, 'file:///etc/passwd'],
      );
      expect(outcome).toEqual(['refused', 'refused']);
    });

    test('keeps pages of a window that nobody foresaw where they are', async () => {
      const address = await running.app.evaluate(async ({ BrowserWindow }, wanted) => {
        const other = new BrowserWindow({ show: false, webPreferences: { sandbox: true } });
        await other.loadURL('app://mergewright/index.html');
        await other.webContents.executeJavaScript(`location.href = ${JSON.stringify(wanted)}; 0`);
        await new Promise((resolve) => setTimeout(resolve, 300));
        const url = other.webContents.getURL();
        other.destroy();
        return url;
      }, attacked.outside);
      expect(address).toBe('app://mergewright/index.html');
    });
  });
}
