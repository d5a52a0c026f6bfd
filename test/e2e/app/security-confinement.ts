/** The security checklist: the page stays where it is, opens nothing, and gets no permission. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { BuiltApp } from '../../support/app.ts';
import type { Attacked } from './under-attack.ts';

/** The tests; `target` is there when they begin. */
export function confinement(target: () => Attacked): void {
  let running: BuiltApp;
  let attempt: Attacked['attempt'];
  beforeAll(() => {
    ({ running, attempt } = target());
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
}
