/** The security checklist: the content security policy, directive by directive. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { BuiltApp } from '../../support/app.ts';
import type { Attacked } from './under-attack.ts';

/** The tests; `target` is there when they begin. */
export function policy(target: () => Attacked): void {
  let running: BuiltApp;
  let attempt: Attacked['attempt'];
  beforeAll(() => {
    ({ running, attempt } = target());
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
}
