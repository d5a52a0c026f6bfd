/** The application beside a server that nothing may reach, and code that tries things in its page. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { launchBuilt, type BuiltApp } from '../../support/app.ts';

export interface Attacked {
  readonly running: BuiltApp;
  /** Address of the server. */
  readonly outside: string;
  /** How often anything reached the server. */
  reached(): number;
  /** Runs code in the page; see `attemptIn`. */
  attempt(code: (outside: string) => unknown): Promise<Attempt>;
  close(): Promise<void>;
}

interface Attempt {
  /** What the code gives, or the name of what it throws. */
  readonly result: unknown;
  /** Directives of the content security policy that it violated. */
  readonly violated: string[];
}

export async function launchUnderAttack(): Promise<Attacked> {
  let reached = 0;
  const server = createServer((_request, response) => {
    reached += 1;
    response.end('reached');
  });
  server.on('upgrade', (_request, socket) => {
    reached += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const outside = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const running = await launchBuilt();
  await running.page.waitForLoadState('load');
  return {
    running,
    outside,
    reached: () => reached,
    attempt: (code) => attemptIn(running.page, outside, code),
    async close() {
      await running.close();
      server.close();
    },
  };
}

/**
 * Runs code in the page as the page itself would: Playwright's evaluation may use eval where the page may not, so the
 * code runs later, from a timer.
 */
function attemptIn(
  page: Page,
  outside: string,
  code: (outside: string) => unknown,
): Promise<Attempt> {
  const source = `(${code.toString()})(${JSON.stringify(outside)})`;
  return page.evaluate(`new Promise((resolve) => {
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
