/**
 * `npm start [-- FOLDER]`: builds what is stale and opens the application, on the project in FOLDER when one is
 * given. `npm start -- --headless` runs the demo in the terminal instead.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { buildDesktop } from '../desktop.ts';
import { root } from '../bundles.ts';
import { hasDisplay, needsNoSandbox } from './display.ts';
import { findRuntime, requireLibraries } from './runtime.ts';

function run(command: string, words: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd: root, stdio: 'inherit' });
    // Ctrl+C reaches the child too; its end is what counts.
    process.on('SIGINT', () => undefined);
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

async function open(words: readonly string[]): Promise<number> {
  const runtime = await findRuntime();
  console.log(`runtime: ${runtime.title}`);
  requireLibraries(runtime);
  const built = await buildDesktop();
  if (built.length > 0) console.log(`built: ${built.join(', ')}`);
  const project = words.map((word) => (word.startsWith('-') ? word : path.resolve(word)));
  const rootOnly = needsNoSandbox();
  if (rootOnly) {
    console.log(
      "as root: Chromium's sandbox does not work for this user, so it is off (--no-sandbox)",
    );
  }
  return run(runtime.executable, [...(rootOnly ? ['--no-sandbox'] : []), root, ...project]);
}

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--headless')) return run('npm', ['run', 'demo']);
  if (!hasDisplay()) {
    console.log('There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set).');
    console.log('The same work runs in the terminal: npm start -- --headless, or npm run demo.');
    return 0;
  }
  return open(words);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
