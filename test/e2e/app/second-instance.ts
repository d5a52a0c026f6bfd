/** What happens when a person starts the application a second time, as a file manager does with a project. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { needsNoSandbox } from '../../../build/electron/display.ts';
import type { BuiltApp } from '../../support/app.ts';
import { root } from '../program.ts';

/** Starts the application again beside a running one; resolves with its exit code. */
export async function openInSecondInstance(
  { app }: BuiltApp,
  ...words: readonly string[]
): Promise<number | null> {
  const env = await app.evaluate(() => process.env as Record<string, string>);
  const switches = ['--disable-gpu', ...(needsNoSandbox() ? ['--no-sandbox'] : [])];
  const { spawnfile } = app.process();
  const child = spawn(spawnfile, [...switches, root, ...words], { env, stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}
