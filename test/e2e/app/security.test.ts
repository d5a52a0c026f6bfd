/** The security checklist, item by item, asked of the running application. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';

vi.setConfig({ testTimeout: 20_000, hookTimeout: 120_000 });

let running: BuiltApp;
/** Counts whatever reaches it. */
let server: Server;
let reached = 0;
let outside: string;

beforeAll(async () => {
  server = createServer((_request, response) => {
    reached += 1;
    response.end('reached');
  });
  server.on('upgrade', (_request, socket) => {
    reached += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  outside = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  running = await launchBuilt();
  await running.page.waitForLoadState('load');
});

afterAll(async () => {
  await running.close();
  server.close();
});

/**
 * Runs code in the page as the page itself would: Playwright's evaluation may use eval where the page may not, so the
 * code runs later, from a timer. Returns what it gives, or the name of what it throws, and the directives violated.
 */
function attempt(
  code: (outside: string) => unknown,
): Promise<{ result: unknown; violated: string[] }> {
  const source = `(${code.toString()})(${JSON.stringify(outside)})`;
  return running.page.evaluate(`new Promise((resolve) => {
    const violated = [];
    const listen = (event) => violated.push(event.effectiveDirective);
    document.addEventListener('securitypolicyviolation', listen);
    setTimeout(async () => {
      let result;
      try {
        const silence = new Promise((resolve) => setTimeout(resolve, 5_000, 'no answer'));
        result = await Promise.race([${source}, silence]);
      } catch (error) {
        result = error.name;
      }
      setTimeout(() => {
        document.removeEventListener('securitypolicyviolation', listen);
        resolve({ result, violated });
      }, 200);
    });
  })`);
}

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

describe('the content security policy stops', () => {
  test.each<[name: string, code: (outside: string) => unknown]>([
    ['eval', () => (0, eval)('1') as unknown],
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
    ['a function from text', () => new Function('return 1')() as unknown],
  ])('%s', async (_name, code) => {
    expect((await attempt(code)).result).toBe('EvalError');
  });

  test.each<[name: string, code: (outside: string) => unknown]>([
    [
      'markup from text',
      () => {
        document.createElement('div').innerHTML = '<b>x</b>';
      },
    ],
    [
      'an inline script',
      () => {
        document.createElement('script').text = 'window.injected = true';
      },
    ],
    [
      'a script from elsewhere',
      (address) => {
        document.createElement('script').src = `${address}/x.js`;
      },
    ],
    [
      'an object',
      (address) => {
        document.createElement('object').data = address;
      },
    ],
    ['a worker', () => new Worker('/index.html')],
    [
      'another maker of trusted markup',
      () => {
        (window as unknown as { trustedTypes: TrustedTypes }).trustedTypes.createPolicy('mine');
      },
    ],
    [
      'a second maker of the same name',
      () => {
        const types = (window as unknown as { trustedTypes: TrustedTypes }).trustedTypes;
        types.createPolicy('svelte-trusted-html');
      },
    ],
  ])('%s', async (_name, code) => {
    expect((await attempt(code)).result).toBe('TypeError');
    expect(await running.page.evaluate(() => 'injected' in window)).toBe(false);
  });

  interface TrustedTypes {
    createPolicy(name: string): unknown;
  }

  test.each<[name: string, directive: string, code: (outside: string) => unknown]>([
    [
      'an inline style',
      'style-src-attr',
      () => {
        document.body.setAttribute('data-x', '');
        document.body.setAttribute('style', 'color: rgb(1, 2, 3)');
        document.body.removeAttribute('style');
      },
    ],
    [
      'a style element',
      'style-src-elem',
      () => {
        const style = document.createElement('style');
        style.textContent = 'body { color: red }';
        document.head.append(style);
        style.remove();
      },
    ],
    [
      'a picture from elsewhere',
      'img-src',
      (address) => {
        new Image().src = `${address}/x.png`;
      },
    ],
    [
      'a picture in an address',
      'img-src',
      () => {
        new Image().src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
      },
    ],
    [
      'a form',
      'form-action',
      (address) => {
        const form = document.createElement('form');
        form.action = `${address}/form`;
        document.body.append(form);
        form.submit();
        form.remove();
      },
    ],
    [
      'a frame',
      'frame-src',
      (address) => {
        const frame = document.createElement('iframe');
        frame.src = `${address}/frame`;
        document.body.append(frame);
        setTimeout(() => frame.remove(), 100);
      },
    ],
    [
      'a frame of our own page',
      'frame-src',
      () => {
        const frame = document.createElement('iframe');
        frame.src = '/index.html';
        document.body.append(frame);
        setTimeout(() => frame.remove(), 100);
      },
    ],
    [
      'an embedded document',
      'object-src',
      (address) => {
        const embed = document.createElement('embed');
        embed.setAttribute('type', 'application/pdf');
        embed.setAttribute('data-address', address);
        document.body.append(embed);
        setTimeout(() => embed.remove(), 100);
      },
    ],
    [
      'a new base',
      'base-uri',
      (address) => {
        const base = document.createElement('base');
        base.href = address;
        document.head.append(base);
        base.remove();
      },
    ],
    ['a request', 'connect-src', (address) => fetch(address).catch(() => undefined)],
    [
      'a socket',
      'connect-src',
      (address) => new WebSocket(address.replace('http', 'ws')).readyState,
    ],
    ['an event source', 'connect-src', (address) => new EventSource(address).readyState],
    ['a beacon', 'connect-src', (address) => navigator.sendBeacon(address, 'x')],
    [
      'a font from elsewhere',
      'font-src',
      (address) => new FontFace('x', `url(${address}/x.woff2)`).load().catch(() => undefined),
    ],
    [
      'a video from elsewhere',
      'media-src',
      (address) => {
        document.createElement('video').src = `${address}/x.mp4`;
      },
    ],
  ])('%s', async (_name, directive, code) => {
    expect((await attempt(code)).violated).toContain(directive);
  });

  test('a service worker', async () => {
    const { result } = await attempt(() => navigator.serviceWorker.register('/index.html'));
    expect(['TypeError', 'SecurityError', 'NotSupportedError']).toContain(result);
  });
});

describe('the page stays where it is', () => {
  const home = 'app://mergewright/index.html';

  test.each<[name: string, code: (outside: string) => unknown]>([
    ['an address elsewhere', (address) => (location.href = address)],
    ['a file', () => (location.href = 'file:///etc/passwd')],
    ['another page of its own', () => (location.href = '/other.html')],
    ['data', () => (location.href = 'data:text/html,<b>x</b>')],
    ['a replacement', (address) => location.replace(address)],
    [
      'a link',
      (address) => {
        const link = document.createElement('a');
        link.href = address;
        document.body.append(link);
        link.click();
        link.remove();
      },
    ],
    [
      'a link to a new window',
      (address) => {
        const link = document.createElement('a');
        link.href = address;
        link.target = '_blank';
        document.body.append(link);
        link.click();
        link.remove();
      },
    ],
    [
      'a download',
      () => {
        const link = document.createElement('a');
        link.href = '/index.html';
        link.download = 'index.html';
        link.click();
      },
    ],
    [
      'a refresh',
      (address) => {
        const meta = document.createElement('meta');
        meta.httpEquiv = 'refresh';
        meta.content = `0; url=${address}`;
        document.head.append(meta);
        meta.remove();
      },
    ],
  ])('whatever asks it to leave: %s', async (_name, code) => {
    await attempt(code);
    expect(running.page.url()).toBe(home);
    expect(running.app.windows()).toHaveLength(1);
    expect(await running.page.evaluate(() => document.getElementById('app') !== null)).toBe(true);
  });

  test('window.open opens nothing', async () => {
    const { result } = await attempt((address) => window.open(address) === null);
    expect(result).toBe(true);
    expect((await attempt(() => window.open('/index.html') === null)).result).toBe(true);
    expect((await attempt(() => window.open('about:blank') === null)).result).toBe(true);
    expect(running.app.windows()).toHaveLength(1);
  });

  test('a webview is an unknown element', async () => {
    const kind = await running.page.evaluate(
      () => document.createElement('webview').constructor.name,
    );
    expect(kind).toMatch(/^HTML(Unknown)?Element$/);
  });
});

describe('permissions', () => {
  test('are all denied, whoever asks', async () => {
    const answers = await running.page.evaluate(async () => {
      const names = [
        'accelerometer',
        'ambient-light-sensor',
        'background-fetch',
        'background-sync',
        'camera',
        'clipboard-read',
        'display-capture',
        'geolocation',
        'gyroscope',
        'idle-detection',
        'local-fonts',
        'magnetometer',
        'microphone',
        'midi',
        'nfc',
        'notifications',
        'payment-handler',
        'periodic-background-sync',
        'persistent-storage',
        'push',
        'screen-wake-lock',
        'speaker-selection',
        'storage-access',
        'top-level-storage-access',
        'window-management',
      ];
      const states: Record<string, string> = {};
      for (const name of names) {
        try {
          const options = { name: name as PermissionName, userVisibleOnly: true };
          states[name] = (await navigator.permissions.query(options)).state;
        } catch {
          // This Chromium does not know it.
        }
      }
      return states;
    });
    expect(Object.keys(answers).length).toBeGreaterThan(12);
    expect(Object.entries(answers).filter(([, state]) => state === 'granted')).toEqual([]);
  });

  test.each<[name: string, code: () => unknown]>([
    ['camera', () => navigator.mediaDevices.getUserMedia({ video: true }).then(() => 'granted')],
    [
      'microphone',
      () => navigator.mediaDevices.getUserMedia({ audio: true }).then(() => 'granted'),
    ],
    ['screen', () => navigator.mediaDevices.getDisplayMedia().then(() => 'granted')],
    ['reading the clipboard', () => navigator.clipboard.readText().then(() => 'granted')],
    ['notifications', () => Notification.requestPermission()],
    [
      'place',
      () =>
        new Promise((resolve) => {
          navigator.geolocation.getCurrentPosition(
            () => resolve('granted'),
            () => resolve('denied'),
          );
        }),
    ],
    ['midi', () => navigator.requestMIDIAccess().then(() => 'granted')],
    [
      'usb',
      () =>
        (navigator as unknown as { usb: { getDevices(): Promise<unknown[]> } }).usb
          .getDevices()
          .then((devices) => (devices.length > 0 ? 'granted' : 'denied')),
    ],
  ])('in use: %s', async (_name, code) => {
    expect((await attempt(code)).result).not.toBe('granted');
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
        ...(ipcMain as unknown as { _invokeHandlers: Map<string, unknown> })._invokeHandlers.keys(),
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
            () => new Response('', { status: 404, headers: { 'Content-Security-Policy': 'none' } }),
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
      [outside, 'file:///etc/passwd'],
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
    }, outside);
    expect(address).toBe('app://mergewright/index.html');
  });
});

test('nothing of all this reached the network', () => {
  expect(reached).toBe(0);
});
